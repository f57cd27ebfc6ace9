"""PyTorch's own layers and optimizer under the names of `npuq check`."""

import torch
from torch.nn import functional


def conv2d(x, w, stride, padding):
    y = functional.conv2d(x.permute(0, 3, 1, 2), w, stride=stride, padding=padding)
    return y.permute(0, 2, 3, 1)


def conv_transpose2d(x, w, stride, padding):
    y = functional.conv_transpose2d(x.permute(0, 3, 1, 2), w, stride=stride, padding=padding)
    return y.permute(0, 2, 3, 1)


def adam_step(p, g, m, v, step, learning_rate, beta1, beta2, epsilon):
    p = p.clone().requires_grad_()
    p.grad = g
    adam = torch.optim.Adam([p], lr=learning_rate, betas=(beta1, beta2), eps=epsilon)
    state = {"step": torch.tensor(step - 1.0), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    adam.state[p] = state
    adam.step()
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]
