/*
 * Pinned memory: a block of the core's, the backend told of it.
 */
#include "core/alloc.h"
#include "core/op_run.h"
#include "core/task.h"

#include <aio/pinned.h>
#include <stdint.h>

#define PINNED_PAGE ((size_t)4096)

/* Stands in front of the memory. */
struct pinned {
    struct aio__core *core;
    void *block;
    size_t bytes;
};

static struct pinned *pinned_of(void *memory)
{
    return (struct pinned *)memory - 1;
}

/* Instant, whatever is pending for the task. */
static int pinned_tell(struct pinned *pinned, uint8_t opcode)
{
    struct aio__op op = {.opcode = opcode, .fd = -1};
    op.file.buffer = pinned + 1;
    op.file.length = pinned->bytes;
    bool done = aio__op_submit(pinned->core, &op);
    AIO__REQUIRE(done, "backend %s: pinning did not complete at once",
                 pinned->core->backend->vtable->name);
    return op.result;
}

int aio_pinned_alloc(void **out, size_t bytes)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    size_t total;
    if (bytes == 0)
        return -EINVAL;
    bytes = (bytes + PINNED_PAGE - 1) & ~(PINNED_PAGE - 1);
    if (bytes == 0 || __builtin_add_overflow(bytes, sizeof(struct pinned) + PINNED_PAGE, &total))
        return -ENOMEM;
    char *block = aio__alloc(total);
    if (block == NULL)
        return -ENOMEM;
    uintptr_t first = (uintptr_t)block + sizeof(struct pinned);
    char *memory = block + sizeof(struct pinned) + (-first & (PINNED_PAGE - 1));
    struct pinned *pinned = pinned_of(memory);
    *pinned = (struct pinned){.core = core, .block = block, .bytes = bytes};
    *out = memory;
    return pinned_tell(pinned, AIO__OP_PIN);
}

void aio_pinned_free(void *memory)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (memory == NULL)
        return;
    struct pinned *pinned = pinned_of(memory);
    if (pinned->core != core)
        aio__core_die_elsewhere(pinned->core, "this pinned memory", __func__);
    (void)pinned_tell(pinned, AIO__OP_UNPIN);
    aio__free(pinned->block);
}
