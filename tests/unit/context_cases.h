/*
 * The tests of a context switch, for each implementation: the file that includes this one has
 * included an implementation before.
 */
#include "core/stack.h"

#include <execinfo.h>
#include <string.h>

#include "core/sanitize.h"

#if defined(AIO__TSAN)
#define CONTEXT_RUNS false /* it would have to be told of each switch */
#else
#define CONTEXT_RUNS true
#endif

/* A context with a stack, and the one that resumes it. */
struct coroutine {
    struct aio__context here;
    struct aio__context back;
    struct aio__stack stack;
    void (*body)(struct coroutine *self);
    int steps;
    int result;
};

static struct coroutine *entering;

static void coroutine_yield(struct coroutine *self)
{
    aio__context_switch(&self->here, &self->back);
}

static void coroutine_main(void)
{
    struct coroutine *self = entering;
    self->body(self);
    for (;;)
        coroutine_yield(self);
}

static void coroutine_resume(struct coroutine *self)
{
    entering = self;
    aio__context_switch(&self->back, &self->here);
}

static struct aio__stack_pool pool;

static bool coroutine_open(struct coroutine *self, void (*body)(struct coroutine *self))
{
    *self = (struct coroutine){.body = body};
    if (!AIO_CHECK_OK(aio__stack_get(&pool, 0, &self->stack)))
        return false;
    aio__context_make(&self->here, self->stack.base, aio__stack_header(&self->stack),
                      coroutine_main);
    return true;
}

static void coroutine_close(struct coroutine *self)
{
    aio__stack_put(&pool, &self->stack);
}

static bool pool_open(void)
{
    if (!CONTEXT_RUNS)
        aio_test_skip("ThreadSanitizer would have to be told of each switch");
    aio__stack_pool_open(&pool, (size_t)256 << 10, 16);
    return CONTEXT_RUNS;
}

static void look_at_stack(struct coroutine *self)
{
    _Alignas(16) char aligned[16];
    volatile uintptr_t at = (uintptr_t)aligned;
    volatile char *frame = __builtin_frame_address(0);
    AIO_CHECK(frame >= self->stack.base && frame < self->stack.base + self->stack.bytes);
    AIO_CHECK_EQ(at % 16, 0);
    memset(aligned, 1, sizeof aligned);
    self->steps++;
}

/* A new context runs its entry on its own stack, which is aligned as the ABI wants it. */
PLAIN(own_stack)
{
    struct coroutine coroutine;
    if (!pool_open())
        return;
    REQUIRE(coroutine_open(&coroutine, look_at_stack));
    coroutine_resume(&coroutine);
    AIO_CHECK_EQ(coroutine.steps, 1);
    coroutine_close(&coroutine);
    aio__stack_pool_close(&pool);
}

static void count_steps(struct coroutine *self)
{
    for (;;) {
        self->steps++;
        coroutine_yield(self);
    }
}

/* Each resume goes on where the context left. */
PLAIN(there_and_back)
{
    struct coroutine coroutine;
    if (!pool_open())
        return;
    REQUIRE(coroutine_open(&coroutine, count_steps));
    for (int i = 1; i <= 10000; i++) {
        coroutine_resume(&coroutine);
        REQUIRE(AIO_CHECK_EQ(coroutine.steps, i));
    }
    coroutine_close(&coroutine);
    aio__stack_pool_close(&pool);
}

/* Integers and doubles enough to fill every register that a call preserves. */
static void keep_values(struct coroutine *self)
{
    long a = self->steps, b = a * 3 + 1, c = b ^ 77, d = c - a, e = d * 5, f = e ^ b, g = f + c;
    double p = (double)a / 7, q = p * 1.5, r = q - 2, s = r * r, t = s + p, u = t - q;
    const long sums[2] = {a + b + c + d + e + f + g, a ^ b ^ c ^ d ^ e ^ f ^ g};
    const double total = p + q + r + s + t + u;
    for (int i = 0; i < 100; i++) {
        coroutine_yield(self);
        a++, b--, c++, d--, e++, f--;
        coroutine_yield(self);
        a--, b++, c--, d++, e--, f++;
        p += 1, q -= 1;
        coroutine_yield(self);
        p -= 1, q += 1;
    }
    self->result = a + b + c + d + e + f + g == sums[0] && (a ^ b ^ c ^ d ^ e ^ f ^ g) == sums[1] &&
                   p + q + r + s + t + u == total;
    self->steps = -1;
}

/* What the compiler keeps in registers across a switch survives it, on both sides. */
PLAIN(registers)
{
    struct coroutine coroutines[8];
    if (!pool_open())
        return;
    for (int i = 0; i < 8; i++) {
        REQUIRE(coroutine_open(&coroutines[i], keep_values));
        coroutines[i].steps = i * 1000003;
    }
    double x = 0.5, y = 0.25;
    long n = 1, m = 2;
    for (int round = 0; round < 301; round++)
        for (int i = 0; i < 8; i++) {
            coroutine_resume(&coroutines[i]);
            x += 1, y += x, n += 3, m ^= n;
        }
    double x2 = 0.5, y2 = 0.25;
    long n2 = 1, m2 = 2;
    for (int i = 0; i < 301 * 8; i++)
        x2 += 1, y2 += x2, n2 += 3, m2 ^= n2;
    AIO_CHECK(x == x2 && y == y2);
    AIO_CHECK(n == n2 && m == m2);
    for (int i = 0; i < 8; i++) {
        AIO_CHECK_EQ(coroutines[i].result, 1);
        AIO_CHECK_EQ(coroutines[i].steps, -1);
        coroutine_close(&coroutines[i]);
    }
    aio__stack_pool_close(&pool);
}

static __attribute__((noinline)) int deep(struct coroutine *self, int depth)
{
    char frame[512];
    memset(frame, depth, sizeof frame);
    if (depth == 0)
        coroutine_yield(self);
    else
        self->result += deep(self, depth - 1);
    for (size_t i = 0; i < sizeof frame; i++)
        if (frame[i] != (char)depth)
            return 0;
    return 1;
}

static void go_deep(struct coroutine *self)
{
    self->result += deep(self, 60);
}

/* A context may be left from deep inside, and returns through all its frames. */
PLAIN(deep_frames)
{
    struct coroutine coroutines[4];
    if (!pool_open())
        return;
    for (int i = 0; i < 4; i++)
        REQUIRE(coroutine_open(&coroutines[i], go_deep));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 4; i++)
            coroutine_resume(&coroutines[i]);
    for (int i = 0; i < 4; i++) {
        AIO_CHECK_EQ(coroutines[i].result, 61);
        coroutine_close(&coroutines[i]);
    }
    aio__stack_pool_close(&pool);
}

static void trace(struct coroutine *self)
{
    void *frames[64];
    self->result = backtrace(frames, 64);
}

/* A backtrace ends where the context began, instead of running off its stack. */
PLAIN(backtrace_ends)
{
    struct coroutine coroutine;
    if (!pool_open())
        return;
    REQUIRE(coroutine_open(&coroutine, trace));
    coroutine_resume(&coroutine);
    AIO_CHECK(coroutine.result >= 1 && coroutine.result < 10);
    coroutine_close(&coroutine);
    aio__stack_pool_close(&pool);
}
