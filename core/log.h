/*
 * Logging to standard error, and dying of a programmer's error.
 *
 * AIO_LOG=off|error|warn|info|debug sets the verbosity; warn is the default. Lines are "aio:
 * warn: text".
 */
#ifndef AIO_CORE_LOG_H
#define AIO_CORE_LOG_H

#include <stdbool.h>

enum aio__log_level {
    AIO__LOG_OFF,
    AIO__LOG_ERROR,
    AIO__LOG_WARN,
    AIO__LOG_INFO,
    AIO__LOG_DEBUG,
};

/* Reads AIO_LOG. Returns 0, or -EINVAL for a value it does not know (which then changes nothing).
 */
int aio__log_open(void);

/* Whether lines of that level are written. */
bool aio__log_shows(enum aio__log_level level);

void aio__log(enum aio__log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define aio__log_error(...) aio__log(AIO__LOG_ERROR, __VA_ARGS__)
#define aio__log_warn(...) aio__log(AIO__LOG_WARN, __VA_ARGS__)
#define aio__log_info(...) aio__log(AIO__LOG_INFO, __VA_ARGS__)
#define aio__log_debug(...) aio__log(AIO__LOG_DEBUG, __VA_ARGS__)

/* Prints the message with the place and the calling task's name, then aborts. */
_Noreturn void aio__die(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A rule for callers, checked in every build. */
#define AIO__REQUIRE(condition, ...)                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            aio__die(__FILE__, __LINE__, __VA_ARGS__);                                             \
    } while (0)

/* A rule for ourselves, checked where AIO_DEBUG is set. */
#if defined(AIO_DEBUG) && AIO_DEBUG
#define AIO__ASSERT(condition) AIO__REQUIRE(condition, "assertion failed: %s", #condition)
#else
#define AIO__ASSERT(condition) ((void)(0 && (condition)))
#endif

#endif
