/*
 * <aio-test/test.h>: CUnit tests whose bodies are AIO tasks.
 *
 *     #include <aio-test/test.h>
 *     #include <aio/aio.h>
 *
 *     AIO_TEST(sleeping)
 *     {
 *         AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         return aio_test_main(argc, argv);
 *     }
 *
 * Compile with `pkg-config --cflags --libs aio-test`. Each body is the first task of a fresh
 * runtime with default options. The AIO_CHECK macros record a failure and go on: they never jump
 * out of the task, and work from any task or thread. They are expressions that tell whether the
 * check held: if (!AIO_CHECK_OK(rc)) return;
 * CUnit's own CU_..._FATAL must not be used in a body: it would leave the task's stack by longjmp.
 *
 * A test that does not end within 20 seconds (times AIO_TEST_SLOW of the environment, more under
 * sanitizers and Valgrind) is ended: its tasks are printed and the process aborts. AIO_TEST_SLOW=0
 * lets it run for ever.
 */
#ifndef AIO_TEST_TEST_H
#define AIO_TEST_TEST_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/* A test as the macros register it; it stays where it is until the process ends. */
struct aio_test_case {
    const char *suite;
    const char *name;
    const char *file;
    void (*body)(void);
    void (*run)(const struct aio_test_case *test); /* how body is run; NULL: as a task */
    const void *extra;                             /* for run */
    struct aio_test_case *next;
};

/* The suite of the tests that follow in this file; define it before including this header. */
#ifndef AIO_TEST_SUITE
#define AIO_TEST_SUITE "tests"
#endif

/* AIO_TEST(name) { ... } defines and registers a test. */
#define AIO_TEST(test_name) AIO_TEST_DEFINE(test_name, AIO_TEST_SUITE, NULL, NULL)

/* The same with a way of running of the caller's own. */
#define AIO_TEST_DEFINE(test_name, suite_name, run_function, extra_pointer)                        \
    static void aio_test_body_##test_name(void);                                                   \
    static struct aio_test_case aio_test_case_##test_name = {                                      \
        (suite_name),   #test_name,      __FILE__, aio_test_body_##test_name,                      \
        (run_function), (extra_pointer), NULL};                                                    \
    __attribute__((constructor)) static void aio_test_enter_##test_name(void)                      \
    {                                                                                              \
        aio_test_register(&aio_test_case_##test_name);                                             \
    }                                                                                              \
    static void aio_test_body_##test_name(void)

/*
 * aio_test_register puts a test on the list that aio_test_main runs, in order of registration.
 *
 * Context:   before main.
 * Lifetime:  test stays in place until the process ends.
 */
AIO_API void aio_test_register(struct aio_test_case *test);

/*
 * aio_test_main runs all registered tests, or those named by the arguments ("name" or
 * "suite.name"), with CUnit, and prints CUnit's summary and a closing line "N passed, N failed".
 * --list prints the names instead.
 *
 * Context:   main.
 * Returns:   the exit code: 0 when all passed, 1 after failures, 2 for an argument that names no
 *            test.
 */
AIO_API int aio_test_main(int argc, char **argv);

/*
 * aio_test_fail records a failure of the test that is running and prints it to standard error.
 *
 * Suspends:  never.
 * Context:   any task or thread, while a test runs.
 * Lifetime:  file must be static text.
 */
AIO_API void aio_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * aio_test_skip says that the running test has nothing to test here; it counts as skipped unless
 * it has failed. The body should return after it.
 *
 * Suspends:  never.
 * Context:   any task or thread, while a test runs.
 */
AIO_API void aio_test_skip(const char *reason);

/* What the macros below call; each returns whether the check held. */
AIO_API bool aio_test_true(bool held, const char *file, int line, const char *text);
AIO_API bool aio_test_equal(int64_t left, int64_t right, const char *file, int line,
                            const char *text);
AIO_API bool aio_test_text(const char *left, const char *right, const char *file, int line,
                           const char *text);
AIO_API bool aio_test_code(int64_t code, const char *file, int line, const char *text);
AIO_API bool aio_test_error(int64_t code, int64_t wanted, const char *file, int line,
                            const char *text);

/* The expression is true. */
#define AIO_CHECK(expression) aio_test_true(!!(expression), __FILE__, __LINE__, #expression)

/* Two integers are equal; prints both. */
#define AIO_CHECK_EQ(left, right)                                                                  \
    aio_test_equal((int64_t)(left), (int64_t)(right), __FILE__, __LINE__, #left " == " #right)

/* Two texts are equal; prints both. Only NULL equals NULL. */
#define AIO_CHECK_STR(left, right)                                                                 \
    aio_test_text((left), (right), __FILE__, __LINE__, #left " == " #right)

/* A result is not an error; prints the error's name. */
#define AIO_CHECK_OK(code) aio_test_code((int64_t)(code), __FILE__, __LINE__, #code)

/* A result is this error, as in AIO_CHECK_ERROR(rc, -EPIPE); prints the names of both. */
#define AIO_CHECK_ERROR(code, wanted)                                                              \
    aio_test_error((int64_t)(code), (wanted), __FILE__, __LINE__, #code)

AIO_END_DECLS

#endif
