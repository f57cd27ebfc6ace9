"""Two searches of a tree of candidates, for q/p with one peak: linear time, after Sec. 2.

* A* coding, AS*, of Flamich, Markou and Hernandez-Lobato (2022), "Fast relative entropy coding with
  A* coding": the winner is that of the Poisson functional representation, argmin t p(z)/q(z), but
  found by branch and bound. It takes O(log max q/p) steps.
* Greedy Poisson rejection sampling of Flamich (2023): an arrival is accepted if it comes before
  sigma(q/p), a time that grows as the ratio does (`peaked_ratio.stretched`). What is admitted at a
  time is an interval around the peak, so that a rejected place cuts off all behind it, and one
  branch is left. It takes O(KL) steps.

Both are exact, and send the number of a node in KL + 2 log2(KL + 1) + O(1) bits. That q may be
anything is what Lemma 1 rests on, and what they give up.
"""

from __future__ import annotations

import math

from npuq.paper.peaked_ratio import PeakedRatio, stretched
from npuq.paper.reverse_channel import Message
from npuq.paper.search_tree import Tree, child, root


def greedy_poisson_rejection(ratio: PeakedRatio, tree: Tree) -> Message:
    """The first arrival before sigma(q(z)/p(z)): Flamich (2023), Algorithm 5, after Sec. 2.

    Args:
        ratio: of the target.
        tree: of the proposal.

    Returns:
        The message; the nodes examined are those on the way.

    Raises:
        ValueError: the target is too narrow for floats.
    """
    node, examined = root(tree), 1
    while not node.time < stretched(ratio.log_ratio(node.z), ratio):
        node = child(tree, node, int(node.z < ratio.peak))
        examined += 1
    return Message(node.number - 1, examined)


def a_star_coding(ratio: PeakedRatio, tree: Tree) -> Message:
    """argmin of t p(z)/q(z) by branch and bound: Flamich et al. (2022), AS*, after Sec. 2.

    What arrives later and on the far side of a place from the peak has a smaller ratio, and cannot
    win. On the near side the largest ratio is that of the peak, until t min p/q exceeds the best.

    Args:
        ratio: of the target.
        tree: of the proposal.

    Returns:
        The message, and how many nodes were examined: some beyond the one that is sent.

    Raises:
        ValueError: the target is too narrow for floats.
    """
    node, examined = root(tree), 0
    best, winner = math.inf, node.number
    while math.log(node.time) - ratio.log_max < best:
        examined += 1
        if (score := math.log(node.time) - ratio.log_ratio(node.z)) < best:
            best, winner = score, node.number
        node = child(tree, node, int(node.z < ratio.peak))
    return Message(winner - 1, examined)
