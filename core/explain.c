/*
 * What the runtime tells about itself: the explanation text, the counters, the dump of tasks.
 */
#include "core/core.h"
#include "core/memory.h"
#include "core/offload.h"
#include "core/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void aio__explain_add(struct aio__explain *explain, const char *format, ...)
{
    size_t room = sizeof explain->text - explain->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(explain->text + explain->length, room, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length >= room) { /* cut: keep the last character a line's end */
        explain->length = sizeof explain->text - 1;
        explain->text[explain->length - 1] = '\n';
    } else {
        explain->length += (size_t)length;
    }
}

const char *aio_runtime_backend(void)
{
    return AIO__CORE_OR_DIE()->backend->vtable->name;
}

size_t aio_runtime_explain(char *buffer, size_t size)
{
    const struct aio__explain *explain = &AIO__CORE_OR_DIE()->explain;
    if (size > 0) {
        size_t length = explain->length < size ? explain->length : size - 1;
        memcpy(buffer, explain->text, length);
        buffer[length] = '\0';
    }
    return explain->length;
}

int aio_runtime_stats(struct aio_runtime_stats *out)
{
    const struct aio__core *core = AIO__CORE_OR_DIE();
    if (out->size != sizeof *out)
        return -EINVAL;
    *out = (struct aio_runtime_stats){
        .size = sizeof *out,
        .turns = core->turns,
        .polls = core->polls,
        .ops = core->ops,
        .instant_ops = core->instant_ops,
        .switches = core->switches,
        .tasks_started = core->tasks_started,
        .tasks_live = core->tasks_live,
        .ops_pending = core->ops_pending,
        .timers_armed = core->timers.count,
        .stacks_mapped = core->stacks.mapped,
        .handles_open = core->handles_open,
        .buffers_held = aio__buffers_held(&core->buffers),
        .buffers_peak = core->buffers.peak,
        .buffers_made = core->buffers.made,
        .buffer_shortages = core->buffers.shortages,
        .memory_used = aio__memory_used(core->memory),
        .memory_peak = core->memory->peak,
    };
    aio__offload_count(core->offload, &out->offload_queued, &out->offload_threads);
    return 0;
}

/* A line of text built without libc's formatting, which a signal handler may not use. */
struct dump_line {
    char text[160];
    size_t length;
};

static void dump_text(struct dump_line *line, const char *text)
{
    while (*text != '\0' && line->length < sizeof line->text - 1)
        line->text[line->length++] = *text++;
}

static void dump_number(struct dump_line *line, int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    dump_text(line, digits + at);
}

static void dump_task(int fd, const struct aio_task *task, int64_t now_ns)
{
    static const char *const states[] = {"ready", "running", "parked", "finished"};
    struct dump_line line = {.length = 0};
    dump_text(&line, "aio: task '");
    dump_text(&line, aio_task_name(task));
    dump_text(&line, "': ");
    dump_text(&line, states[task->state]);
    if (task->wait != NULL && task->wait->what != NULL) {
        dump_text(&line, " in ");
        dump_text(&line, task->wait->what);
    }
    if (task->canceled)
        dump_text(&line, ", canceled");
    if (task->shields > 0)
        dump_text(&line, ", shielded");
    if (task->deadline_ns != AIO_FOREVER) {
        dump_text(&line, ", deadline in us: ");
        dump_number(&line, (task->deadline_ns - now_ns) / 1000);
    }
    line.text[line.length++] = '\n';
    ssize_t ignored = write(fd, line.text, line.length);
    (void)ignored;
}

void aio_runtime_dump(int fd)
{
    const struct aio__core *core = aio__core_current;
    if (core == NULL)
        return;
    int64_t now_ns = aio_time_now();
    for (const struct aio_task *task = core->tasks; task != NULL; task = task->all_next)
        dump_task(fd, task, now_ns);
}
