/*
 * What the files of the harness share, and what tests/faults and tests/contract hook into it.
 */
#ifndef AIO_TESTS_HARNESS_INTERNAL_H
#define AIO_TESTS_HARNESS_INTERNAL_H

#ifndef SUITE
#define SUITE "harness"
#endif
#include "tests/harness/harness.h"
#include "tests/lib/lib.h"

/* The fault shim, if it is linked: it enters itself before main. */
struct test_faults {
    void (*enable)(uint64_t seed); /* wraps every backend opened from now on */
    void (*disable)(void);
    bool (*fail_next)(const char *opcode, int error, int count);
};
extern const struct test_faults *test_faults;

/* The fixture of the contract tests, if it is linked. */
extern void (*test_fixture_run)(const struct aio_test_case *test);

/* What a process had open, for comparison. */
struct leaks;
struct leaks *leaks_before(void);

/* Records a failure for each thing that was not there before. Frees the record. */
void leaks_after(struct leaks *before, const struct aio_test_case *test);

/* Enters a network where nobody else is; where that is not allowed, the host's has to do. Before
 * there are threads. False: there is one, without a loopback. */
bool test_network_enter(const char *suite);

void test_row_choose(const struct test_row *row);
void test_seed(uint64_t seed, const char *test_name);

/* Whether the row's backend can be had; prints the reason when not. */
bool test_row_available(const struct test_row *row);

#endif
