// Threads of a GPU on one thread of a CPU: each is a fiber with a stack of its own, one runs at a time until it waits.
// A launch is told in which order they take their turns, so that a race shows as a result that depends on the order.
#pragma once
#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

struct uint3 { unsigned x, y, z; };
static uint3 threadIdx, blockIdx, blockDim, gridDim;

// Changing stacks: by hand on x86-64, 40 times faster than ucontext, which asks the operating system each time.
#if defined(__x86_64__)
extern "C" void emulator_switch(void** from, void* to) __attribute__((visibility("hidden")));
asm(".text\nemulator_switch:\n push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp, (%rdi)\n mov %rsi, %rsp\n"
    " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");
namespace emulator {
typedef void* Context;
static void prepare(Context& context, char* stack, size_t size, void (*run)()) {
  void** top = (void**)(stack + size);
  *--top = nullptr;
  *--top = (void*)run;
  for (int i = 0; i < 6; i++) *--top = nullptr;
  context = top;
}
static void change(Context& from, Context& to) { emulator_switch(&from, to); }
}  // namespace emulator
#else
#include <ucontext.h>
namespace emulator {
typedef ucontext_t Context;
static void prepare(Context& context, char* stack, size_t size, void (*run)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = size;
  context.uc_link = nullptr;
  makecontext(&context, run, 0);
}
static void change(Context& from, Context& to) { swapcontext(&from, &to); }
}  // namespace emulator
#endif

namespace emulator {
constexpr size_t STACK = 1 << 17;
constexpr int WARP = 32;

struct Copy { void* to; const void* from; int bytes; };  // from nullptr: zeros
struct Fiber {
  Context context;
  char* stack;
  uint3 place;
  int lane, warp;
  enum { READY, AT_BLOCK, AT_WARP, DONE } state;
  int line;                                // of the barrier at which it waits
  std::vector<std::vector<Copy>> groups;   // asynchronous copies, committed
  std::vector<Copy> open;                  // not committed yet
};
static std::vector<Fiber> fibers;
static Fiber* now;
static Context scheduler;
static std::function<void()> body;
static char error[240];
static uintptr_t fault_address;
static unsigned order;  // 0: threads run in ascending order, 1: in descending order, more: at random from that seed
static std::mt19937 chance;
static uint64_t exchange[32][WARP];  // what the lanes of a warp give each other

template <class... T> static void fail(const char* text, T... values) {
  if (!*error) snprintf(error, sizeof error, text, values...);
}

static void run_fiber() {
  body();
  if (!now->groups.empty() || !now->open.empty()) fail("a thread ended before its asynchronous copies were waited for");
  now->state = Fiber::DONE;
  change(now->context, scheduler);
  abort();
}

static void wait_at(int state, int line) {
  now->state = (decltype(now->state))state;
  now->line = line;
  change(now->context, scheduler);
  threadIdx = now->place;
}

// Frees the fibers [first, last) if all wait at one barrier of that kind; they may differ in nothing but their warp.
static bool free_those_at(int state, size_t first, size_t last) {
  for (size_t i = first; i < last; i++)
    if (fibers[i].state != state) return false;
  for (size_t i = first; i < last; i++)
    if (fibers[i].line != fibers[first].line)
      fail("a barrier that only some threads reach: others are at that of line %d, not %d", fibers[i].line, fibers[first].line);
  for (size_t i = first; i < last; i++) fibers[i].state = Fiber::READY;
  return true;
}

// Lets one warp run as far as it can without the others, and no further now and then; whether it ran at all.
static bool run_warp(int warp, const std::vector<int>& lanes) {
  const size_t first = warp * WARP, last = std::min(first + WARP, fibers.size());
  bool ran = false;
  do {
    for (int lane : lanes) {
      if (first + lane >= last || fibers[first + lane].state != Fiber::READY) continue;
      ran = true;
      now = &fibers[first + lane];
      threadIdx = now->place;
      change(scheduler, now->context);
      if (*error) return ran;
    }
  } while (free_those_at(Fiber::AT_WARP, first, last) && !*error && (order < 2 || chance() % 2));
  return ran || fibers[first].state == Fiber::READY;
}

// Lets everyone run who can; false once all are done or one has failed.
static bool step(std::vector<int>& warps, std::vector<int>& lanes) {
  bool ran = false;
  if (order > 1) {
    std::shuffle(warps.begin(), warps.end(), chance);
    std::shuffle(lanes.begin(), lanes.end(), chance);
  }
  for (int warp : warps) {
    ran |= run_warp(warp, lanes);
    if (*error) return false;
  }
  if (ran) return true;
  int done = 0;
  for (auto& fiber : fibers) done += fiber.state == Fiber::DONE;
  if (done == (int)fibers.size()) return false;
  if (free_those_at(Fiber::AT_BLOCK, 0, fibers.size())) return !*error;
  fail("a barrier that only some threads reach: %d of %zu threads have ended", done, fibers.size());
  return false;
}

extern "C" { extern char __start_cuda_shared __attribute__((weak)); extern char __stop_cuda_shared __attribute__((weak)); }
static size_t shared_bytes() { return &__start_cuda_shared ? &__stop_cuda_shared - &__start_cuda_shared : 0; }

static sigjmp_buf on_fault;
static void fault(int signal, siginfo_t* info, void*) {
  fault_address = signal == SIGSEGV || signal == SIGBUS ? (uintptr_t)info->si_addr : 0;
  siglongjmp(on_fault, signal);
}

// While it lives, what the processor refuses (memory that is not there, checks that -fsanitize has put in) is caught.
struct Guard {
  static constexpr int SIGNALS[4] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  struct sigaction before[4];
  stack_t stack_before;
  Guard() {
    static char room[1 << 16];
    stack_t stack = {};
    stack.ss_sp = room;
    stack.ss_size = sizeof room;
    sigaltstack(&stack, &stack_before);
    struct sigaction action = {};
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
  }
  ~Guard() {
    for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &before[i], nullptr);
    sigaltstack(&stack_before, nullptr);
  }
};

static const char* launch(const unsigned* grid, const unsigned* block, unsigned in_order, std::function<void()> kernel) {
  *error = 0;
  fault_address = 0;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  body = kernel;
  order = in_order;
  chance.seed(order);
  if (shared_bytes() > 48 << 10) fail("%zu bytes of shared memory, more than 48 KiB", shared_bytes());
  const int threads = block[0] * block[1] * block[2];
  std::vector<int> warps((threads + WARP - 1) / WARP), lanes(WARP);
  std::vector<unsigned> blocks(grid[0] * grid[1] * grid[2]);
  for (auto* numbers : {&warps, &lanes}) {
    for (size_t i = 0; i < numbers->size(); i++) (*numbers)[i] = i;
    if (order == 1) std::reverse(numbers->begin(), numbers->end());
  }
  for (size_t i = 0; i < blocks.size(); i++) blocks[i] = order == 1 ? blocks.size() - 1 - i : i;
  if (order > 1) std::shuffle(blocks.begin(), blocks.end(), chance);
  auto place = [&](unsigned i) { return uint3{i % block[0], i / block[0] % block[1], i / (block[0] * block[1])}; };
  if ((int)fibers.size() != threads) {
    for (auto& fiber : fibers) free(fiber.stack);
    fibers.clear();
    fibers.resize(threads);
    for (auto& fiber : fibers) fiber.stack = (char*)aligned_alloc(64, STACK);
  }
  Guard guard;
  if (const int signal = sigsetjmp(on_fault, 1)) {
    fail(signal == SIGILL ? "an index beyond an array of fixed size, or an integer overflow"
         : signal == SIGFPE ? "an integer division by zero" : "reached beyond its arrays");
    fibers.clear();  // their stacks are left as they are
    return error;
  }
  for (unsigned b : blocks) {
    if (*error) return error;
    blockIdx = {b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
    if (shared_bytes()) memset(&__start_cuda_shared, 0xFF, shared_bytes());  // NaN
    for (int i = 0; i < threads; i++) {
      Fiber& fiber = fibers[i];
      fiber.place = place(i);
      fiber.lane = i % WARP;
      fiber.warp = i / WARP;
      fiber.state = Fiber::READY;
      fiber.groups.clear();
      fiber.open.clear();
      prepare(fiber.context, fiber.stack, STACK, run_fiber);
    }
    while (step(warps, lanes)) {}
  }
  return *error ? error : nullptr;
}
}  // namespace emulator
