/*
 * The test harness. A file of tests begins with
 *
 *     #define SUITE "tcp"
 *     #include "tests/harness/harness.h"
 *
 * and each test registers itself, so none can be forgotten:
 *
 *     BEHAVIOUR(name) { ... }                   the body is the first task of a fresh runtime; it
 *                                               runs on every row of rows.h
 *     BEHAVIOUR_WITH(name, .ring_entries = 8) { ... }
 *                                               the same with runtime options of its own; backend
 *                                               and caps are the row's
 *     BEHAVIOUR_OUTSIDE(name) { ... }           the body runs outside any runtime, on every row; it
 *                                               starts runtimes with test_options() or test_run()
 *     PLAIN(name) { ... }                       no runtime and no row ("-"): unit tests and tests
 *                                               that drive other programs
 *
 * A program has tests with rows or plain ones, not both. The body is a void function; checks are
 * those of <aio-test/test.h>: they record and go on, from any task or thread,
 *
 *     AIO_CHECK(expr)  AIO_CHECK_EQ(a, b)  AIO_CHECK_STR(a, b)  AIO_CHECK_OK(rc)
 *     AIO_CHECK_ERROR(rc, -EPIPE)          and here REQUIRE, REQUIRE_OK, which also return from the
 *                                          (void) function when they fail
 *
 * CUnit's CU_..._FATAL is never used: it leaves a task's stack by longjmp. After each test no
 * descriptor, thread or allocation may be left. A watchdog ends a test after 20 seconds (times
 * AIO_TEST_SLOW). No fixed sleeps: wait for what is to happen, with test_wait() where nothing
 * signals it. Ports: "127.0.0.1:0" and the address asked for afterwards.
 *
 * Programs: --list, --rows, --suite NAME --row ROW [--test NAME] [--seed N].
 */
#ifndef AIO_TESTS_HARNESS_H
#define AIO_TESTS_HARNESS_H

#include <aio-test/test.h>
#include <aio/aio.h>

#ifndef SUITE
#error "#define SUITE \"name\" before including the harness"
#endif

/* Which sanitizer watches; gcc and clang say it in their own ways. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

/* How a test runs on a row; kinds differ in who opens what around the body. */
struct test_extra {
    enum { TEST_TASK, TEST_OUTSIDE, TEST_FIXTURE } kind;
    struct aio_runtime_options options;
};

void test_run_on_row(const struct aio_test_case *test);
void test_run_plain(const struct aio_test_case *test);

#define BEHAVIOUR(test_name) BEHAVIOUR_WITH(test_name, .flags = 0)
#define BEHAVIOUR_WITH(test_name, ...)                                                             \
    static const struct test_extra test_extra_##test_name = {                                      \
        TEST_TASK, {.size = sizeof(struct aio_runtime_options), __VA_ARGS__}};                     \
    AIO_TEST_DEFINE(test_name, SUITE, test_run_on_row, &test_extra_##test_name)
#define BEHAVIOUR_OUTSIDE(test_name)                                                               \
    static const struct test_extra test_extra_##test_name = {                                      \
        TEST_OUTSIDE, {.size = sizeof(struct aio_runtime_options)}};                               \
    AIO_TEST_DEFINE(test_name, SUITE, test_run_on_row, &test_extra_##test_name)
#define PLAIN(test_name) AIO_TEST_DEFINE(test_name, SUITE, test_run_plain, NULL)

#define REQUIRE(expression)                                                                        \
    do {                                                                                           \
        if (!AIO_CHECK(expression))                                                                \
            return;                                                                                \
    } while (0)
#define REQUIRE_OK(code)                                                                           \
    do {                                                                                           \
        if (!AIO_CHECK_OK(code))                                                                   \
            return;                                                                                \
    } while (0)

/* What a row is. */
struct test_row {
    const char *name;
    const char *backend;
    const char *caps;
    bool faults;
};

/* The row that is running. Tests ask only for bounds that faults loosen, never to leave one out. */
const struct test_row *test_row(void);

/* Runtime options of the row. */
struct aio_runtime_options test_options(void);

/* aio_runtime_run with the row's options. For BEHAVIOUR_OUTSIDE. */
int test_run(int (*entry)(void *arg), void *arg);

/* Waits until condition(arg) holds, yielding the task or sleeping a little between looks; records
 * a failure after 5 seconds (times slowness). In a task; the second one outside. */
bool test_wait(bool (*condition)(void *arg), void *arg);
bool test_wait_outside(bool (*condition)(void *arg), void *arg);

/* A number at random, reproducible by the seed that was printed; any thread. */
uint64_t test_random(void);

/* The factor for the bounds of time: 1, more under sanitizers and Valgrind. */
int64_t test_slowness(void);

/* Whether Valgrind runs this: it keeps RLIMIT_NOFILE and ignored signals from the kernel, so that
 * tests of these must be skipped. */
bool test_on_valgrind(void);

/* A pattern for mkdtemp(3) and mkstemp(3) in a folder. What is made by it goes with this process,
 * also when it is killed: tools/run_tests.py sees to that. */
void test_temporary(char *path, size_t size, const char *folder);

/* Fills bytes whose value depends on their position in a stream, and checks them. */
void test_pattern_fill(void *buffer, size_t size, uint64_t position);
bool test_pattern_check(const void *buffer, size_t size, uint64_t position);

/*
 * Fault rows: makes the next `count` operations of an opcode ("recv", "send", "accept", ...) fail
 * with `error` without reaching the kernel. Returns false on the other rows, where a test then
 * has nothing to inject.
 */
bool test_fail_next(const char *opcode, int error, int count);

#endif
