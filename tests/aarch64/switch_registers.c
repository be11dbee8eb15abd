/*
 * switch_registers keeps as many integers and doubles alive across context switches as the compiler
 * has registers for, in several contexts at once, and checks that none is lost.
 *
 * The switch is inline assembly that names the registers it destroys. One that is missing from that
 * list is only noticed where the compiler happens to keep a value in it: it depends on the
 * compiler, its optimisation and the instruction set. Hence tests/aarch64/run.sh compiles this file
 * many times, for this machine and for aarch64. It stands alone: no library, no test framework.
 */
#include "core/context/context.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define CONTEXTS 3
#define ROUNDS 1000
#define STACK_BYTES ((size_t)1 << 16)

static struct aio__context loop;
static struct aio__context contexts[CONTEXTS];
static unsigned long resumed;
static unsigned long lost;

/* Volatile: the compiler must keep what it has read, for it may not read it again. */
static volatile double doubles[48];
static volatile uint64_t integers[48];
static volatile int starting;

#define EIGHT(X, tens)                                                                             \
    X(tens##0) X(tens##1) X(tens##2) X(tens##3) X(tens##4) X(tens##5) X(tens##6) X(tens##7)
#define VALUES(X) EIGHT(X, 1) EIGHT(X, 2) EIGHT(X, 3) EIGHT(X, 4)

#define HOLD(n)                                                                                    \
    double real##n = doubles[n] + me;                                                              \
    uint64_t whole##n = integers[n] + (uint64_t)me;

#define CHECK(n) lost += real##n != doubles[n] + me || whole##n != integers[n] + (uint64_t)me;

/* Few values: the compiler has no need to spill any. Many: it uses every register there is. */
static void run_forever(void)
{
    const int me = starting;
    for (;;) {
        uint64_t one = integers[me];
        double other = doubles[me];
        aio__context_switch(&contexts[me], &loop);
        lost += one != integers[me] || other != doubles[me];

        VALUES(HOLD)
        aio__context_switch(&contexts[me], &loop);
        VALUES(CHECK)
        resumed += 2;
    }
}

static int make_all(void)
{
    for (int i = 0; i < CONTEXTS; i++) {
        char *stack =
            mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED)
            return -1;
        aio__context_make(&contexts[i], stack, stack + STACK_BYTES, run_forever);
    }
    return 0;
}

int main(void)
{
    for (int i = 0; i < 48; i++) {
        doubles[i] = 1.5 * i;
        integers[i] = UINT64_C(0x0123456789) * (uint64_t)i;
    }
    if (make_all() != 0) {
        perror("mmap");
        return 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t one = integers[7];
        for (int i = 0; i < CONTEXTS; i++) {
            starting = i;
            aio__context_switch(&loop, &contexts[i]);
        }
        lost += one != integers[7];
    }
    printf("%s: %lu resumed, %lu values lost\n", AIO__CONTEXT_NAME, resumed, lost);
    return lost != 0 || resumed == 0;
}
