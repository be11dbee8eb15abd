/*
 * The parts of ops that are not hot: names, taking an op out of the middle of a list, deliveries.
 */
#include "core/op.h"

#include "core/alloc.h"

#include <errno.h>
#include <unistd.h>

const char *aio__opcode_name(unsigned opcode)
{
    static const char *const names[] = {
#define OP_NAME(upper, lower, text) #lower,
        AIO__OPCODES(OP_NAME)
#undef OP_NAME
    };
    return opcode < AIO__OP_COUNT ? names[opcode] : "unknown";
}

bool aio__op_list_remove(struct aio__op_list *list, struct aio__op *op)
{
    struct aio__op *before = NULL;
    for (struct aio__op *at = list->head; at != NULL; before = at, at = at->link) {
        if (at != op)
            continue;
        if (before == NULL)
            list->head = op->link;
        else
            before->link = op->link;
        if (list->tail == op)
            list->tail = before;
        return true;
    }
    return false;
}

int aio__deliveries_reserve(struct aio__deliveries *deliveries, uint32_t count)
{
    uint32_t capacity = deliveries->capacity > 0 ? deliveries->capacity : 16;
    while (capacity < count)
        capacity *= 2;
    if (capacity == deliveries->capacity)
        return 0;
    int32_t *items = aio__alloc(capacity * sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < deliveries->count; i++)
        items[i] = deliveries->items[(deliveries->head + i) & (deliveries->capacity - 1)];
    aio__free(deliveries->items);
    deliveries->items = items;
    deliveries->head = 0;
    deliveries->capacity = capacity;
    return 0;
}

int aio__deliveries_push(struct aio__deliveries *deliveries, int fd)
{
    if (aio__deliveries_reserve(deliveries, deliveries->count + 1) < 0)
        return -ENOMEM;
    uint32_t at = (deliveries->head + deliveries->count++) & (deliveries->capacity - 1);
    deliveries->items[at] = fd;
    return 0;
}

int aio__deliveries_pop(struct aio__deliveries *deliveries)
{
    if (deliveries->count == 0)
        return -1;
    int fd = deliveries->items[deliveries->head];
    deliveries->head = (deliveries->head + 1) & (deliveries->capacity - 1);
    if (--deliveries->count == 0)
        deliveries->head = 0; /* the first slots are warm */
    return fd;
}

void aio__deliveries_free(struct aio__deliveries *deliveries)
{
    int fd;
    while ((fd = aio__deliveries_pop(deliveries)) >= 0)
        (void)close(fd);
    aio__free(deliveries->items);
    deliveries->items = NULL;
    deliveries->capacity = 0;
}
