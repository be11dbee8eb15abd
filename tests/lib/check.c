/*
 * The checks: they record failures under a lock, for CUnit's own record may only be touched by the
 * main thread outside any task. The runner hands them to CUnit when the body is over.
 */
#include "tests/lib/lib.h"

#include <CUnit/CUnit.h>
#include <aio/error.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KEPT = 16, TEXT_BYTES = 400 };

struct failure {
    const char *file;
    int line;
    char text[TEXT_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct aio__test_record record;
static struct failure kept[KEPT]; /* the first ones; all are counted and printed */

void aio__test_begin(void)
{
    pthread_mutex_lock(&lock);
    record = (struct aio__test_record){0, false};
    pthread_mutex_unlock(&lock);
}

struct aio__test_record aio__test_end(void)
{
    pthread_mutex_lock(&lock);
    struct aio__test_record copy = record;
    pthread_mutex_unlock(&lock);
    return copy;
}

void aio__test_replay(void)
{
    unsigned count = aio__test_end().failures;
    for (unsigned i = 0; i < count && i < KEPT; i++)
        CU_assertImplementation(CU_FALSE, (unsigned)kept[i].line, kept[i].text, kept[i].file, "",
                                CU_FALSE);
}

void aio_test_fail(const char *file, int line, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&lock);
    if (record.failures < KEPT) {
        struct failure *failure = &kept[record.failures];
        failure->file = file;
        failure->line = line;
        memcpy(failure->text, text, sizeof text);
    }
    if (record.failures++ < KEPT)
        fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    pthread_mutex_unlock(&lock);
}

void aio_test_skip(const char *reason)
{
    pthread_mutex_lock(&lock);
    record.skipped = true;
    pthread_mutex_unlock(&lock);
    fprintf(stderr, "skipped: %s\n", reason);
}

bool aio_test_true(bool held, const char *file, int line, const char *text)
{
    if (!held)
        aio_test_fail(file, line, "%s", text);
    return held;
}

bool aio_test_equal(int64_t left, int64_t right, const char *file, int line, const char *text)
{
    if (left != right)
        aio_test_fail(file, line, "%s (%" PRId64 " and %" PRId64 ")", text, left, right);
    return left == right;
}

bool aio_test_text(const char *left, const char *right, const char *file, int line,
                   const char *text)
{
    bool held = left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
    if (!held)
        aio_test_fail(file, line, "%s (\"%s\" and \"%s\")", text, left == NULL ? "(NULL)" : left,
                      right == NULL ? "(NULL)" : right);
    return held;
}

bool aio_test_code(int64_t code, const char *file, int line, const char *text)
{
    if (code < 0)
        aio_test_fail(file, line, "%s is %" PRId64 " (%s)", text, code, aio_error_name((int)code));
    return code >= 0;
}

bool aio_test_error(int64_t code, int64_t wanted, const char *file, int line, const char *text)
{
    if (code != wanted)
        aio_test_fail(file, line, "%s is %" PRId64 " (%s), not %" PRId64 " (%s)", text, code,
                      aio_error_name((int)code), wanted, aio_error_name((int)wanted));
    return code == wanted;
}
