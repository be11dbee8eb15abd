/*
 * libaio-test inside: what its files share with each other and with this project's own harness,
 * which runs the same tests on the rows of backends.
 */
#ifndef AIO_TESTS_LIB_H
#define AIO_TESTS_LIB_H

#include <aio-test/test.h>
#include <stdbool.h>
#include <stdint.h>

/* The registered tests, in order. */
struct aio_test_case *aio__test_first(void);

/* The record of one running test. */
struct aio__test_record {
    unsigned failures;
    bool skipped;
};

/* Clears the record, and reads it. */
void aio__test_begin(void);
struct aio__test_record aio__test_end(void);

/* Hands the recorded failures to CUnit; on the main thread, within a CUnit test. */
void aio__test_replay(void);

/* Runs test->body as the first task of a runtime with these options (NULL: the defaults). */
struct aio_runtime_options;
void aio__test_task(const struct aio_test_case *test, const struct aio_runtime_options *options);

/* What a run of several tests adds up to. */
struct aio__test_totals {
    unsigned passed;
    unsigned failed;
    unsigned skipped;
};

/* One test more. around(test) is called instead of the test's own way of running, if not NULL. */
struct aio__test_plan {
    const char *title; /* appended to the names of suites, "" for nothing */
    bool (*chosen)(const struct aio_test_case *test, void *context);
    void *context;
    void (*around)(const struct aio_test_case *test);
};

/* Runs the chosen tests with CUnit and prints its summary and the closing line. Returns the exit
 * code. */
int aio__test_run(const struct aio__test_plan *plan);

/* Runs a test the way it says. */
void aio__test_body(const struct aio_test_case *test);

/*
 * The watchdog thread. Between start and stop of a test it waits; when the time is up it has
 * dump(2) called on the thread that started it, and aborts with the test's name and the note.
 */
void aio__watchdog_start(const char *test_name, const char *note, void (*dump)(int fd));
void aio__watchdog_stop(void);

/* How much slower than usual this process is: sanitizers, Valgrind, AIO_TEST_SLOW; 0: no limit. */
unsigned aio__test_slowness(void);

/* Valgrind keeps limits of the process and signals to itself: the kernel does not know them. */
bool aio__test_on_valgrind(void);

#endif
