/*
 * Logging and dying, see log.h. Each line is one write(2), so lines of several threads do not mix.
 */
#include "core/log.h"

#include "core/core.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const log_names[] = {"off", "error", "warn", "info", "debug"};

static atomic_int log_level = AIO__LOG_WARN;

int aio__log_open(void)
{
    const char *wanted = getenv("AIO_LOG");
    if (wanted == NULL || wanted[0] == '\0')
        return 0;
    for (int level = AIO__LOG_OFF; level <= AIO__LOG_DEBUG; level++) {
        if (strcmp(wanted, log_names[level]) != 0)
            continue;
        atomic_store(&log_level, level);
        return 0;
    }
    aio__log_error("AIO_LOG=%s: choose off, error, warn, info or debug", wanted);
    return -EINVAL;
}

bool aio__log_shows(enum aio__log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static void __attribute__((format(printf, 2, 0)))
log_line(const char *head, const char *format, va_list arguments)
{
    char line[1024];
    int length = snprintf(line, sizeof line, "%s", head);
    length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
    if ((size_t)length > sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored;
}

void aio__log(enum aio__log_level level, const char *format, ...)
{
    if (!aio__log_shows(level))
        return;
    char head[32];
    (void)snprintf(head, sizeof head, "aio: %s: ", log_names[level]);
    va_list arguments;
    va_start(arguments, format);
    log_line(head, format, arguments);
    va_end(arguments);
}

void aio__die(const char *file, int line, const char *format, ...)
{
    struct aio_task *task = aio_task_current();
    char head[256];
    (void)snprintf(head, sizeof head, "aio: fatal: %s:%d: task '%s': ", file, line,
                   task != NULL ? aio_task_name(task) : "none");
    va_list arguments;
    va_start(arguments, format);
    log_line(head, format, arguments);
    va_end(arguments);
    abort();
}
