/*
 * Channels of one core, bounded and rendezvous.
 *
 * Invariant: receivers wait only while nothing is buffered, senders only while the buffer is full
 * (one of capacity 0 always is), and on a closed channel nobody waits. An item goes straight from
 * the sender's memory to the receiver's when either waits for the other.
 */
#include "core/alloc.h"
#include "core/items.h"
#include "core/select.h"

#include <aio/channel.h>

struct aio_channel {
    struct aio__core *core;
    size_t element_bytes;
    size_t capacity;
    size_t count;
    size_t head; /* the oldest item's place */
    bool closed;
    struct aio__wait_queue receivers;
    struct aio__wait_queue senders;
    char items[] __attribute__((aligned(16)));
};

int aio_channel_open(struct aio_channel **out, size_t element_bytes, size_t capacity)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    size_t size;
    int rc = aio__items_size(&size, sizeof(struct aio_channel), capacity, element_bytes);
    if (rc < 0)
        return rc;
    struct aio_channel *channel = aio__alloc(size);
    if (channel == NULL)
        return -ENOMEM;
    *channel =
        (struct aio_channel){.core = core, .element_bytes = element_bytes, .capacity = capacity};
    *out = channel;
    return 0;
}

static inline struct aio__core *channel_core(const struct aio_channel *channel,
                                             const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    if (__builtin_expect(channel->core != core, 0))
        aio__core_die_elsewhere(channel->core, "this channel", function);
    return core;
}

void aio_channel_free(struct aio_channel *channel)
{
    if (channel == NULL)
        return;
    (void)channel_core(channel, __func__);
    struct aio__party *party = aio__party_take(&channel->receivers);
    AIO__REQUIRE(party == NULL, "aio_channel_free: task '%s' waits to receive",
                 aio_task_name(aio__party_task(party)));
    party = aio__party_take(&channel->senders);
    AIO__REQUIRE(party == NULL, "aio_channel_free: task '%s' waits to send",
                 aio_task_name(aio__party_task(party)));
    aio__free(channel);
}

static inline void *channel_place(struct aio_channel *channel, size_t nth)
{
    size_t at = channel->head + nth;
    if (at >= channel->capacity)
        at -= channel->capacity;
    return channel->items + at * channel->element_bytes;
}

static inline void channel_push(struct aio_channel *channel, const void *item)
{
    aio__item_copy(channel_place(channel, channel->count), item, channel->element_bytes);
    channel->count++;
}

static inline void channel_pop(struct aio_channel *channel, void *item)
{
    aio__item_copy(item, channel_place(channel, 0), channel->element_bytes);
    channel->count--;
    if (++channel->head == channel->capacity)
        channel->head = 0;
}

/* Sends if that needs no wait. Returns 0, -EPIPE or -EAGAIN. */
static inline int channel_put(struct aio_channel *channel, const void *item)
{
    if (__builtin_expect(channel->closed, 0))
        return -EPIPE;
    struct aio__party *receiver = aio__party_take(&channel->receivers);
    if (receiver != NULL) {
        aio__item_copy(receiver->item, item, channel->element_bytes);
        aio__party_finish(receiver, 1);
        return 0;
    }
    if (channel->count == channel->capacity)
        return -EAGAIN;
    channel_push(channel, item);
    return 0;
}

/* Receives if that needs no wait. Returns 1, 0 when closed and drained, or -EAGAIN. */
static inline int channel_get(struct aio_channel *channel, void *item)
{
    bool buffered = channel->count > 0;
    if (buffered)
        channel_pop(channel, item);
    struct aio__party *sender = aio__party_take(&channel->senders);
    if (sender == NULL) {
        if (buffered)
            return 1;
        return channel->closed ? 0 : -EAGAIN;
    }
    if (buffered)
        channel_push(channel, sender->item);
    else
        aio__item_copy(item, sender->item, channel->element_bytes);
    aio__party_finish(sender, 0);
    return 1;
}

int aio_channel_send(struct aio_channel *channel, const void *item)
{
    struct aio__core *core = channel_core(channel, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = channel_put(channel, item);
    if (rc == -EAGAIN)
        return aio__party_wait(core, &channel->senders, (void *)(uintptr_t)item, NULL,
                               "channel send");
    aio__charge(core);
    return rc;
}

int aio_channel_receive(struct aio_channel *channel, void *item)
{
    struct aio__core *core = channel_core(channel, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = channel_get(channel, item);
    if (rc == -EAGAIN)
        return aio__party_wait(core, &channel->receivers, item, NULL, "channel receive");
    aio__charge(core);
    return rc;
}

int aio_channel_trysend(struct aio_channel *channel, const void *item)
{
    (void)channel_core(channel, __func__);
    return channel_put(channel, item);
}

int aio_channel_tryreceive(struct aio_channel *channel, void *item)
{
    (void)channel_core(channel, __func__);
    return channel_get(channel, item);
}

void aio_channel_close(struct aio_channel *channel)
{
    (void)channel_core(channel, __func__);
    channel->closed = true;
    struct aio__party *party;
    while ((party = aio__party_take(&channel->senders)) != NULL)
        aio__party_finish(party, -EPIPE);
    while ((party = aio__party_take(&channel->receivers)) != NULL)
        aio__party_finish(party, 0);
}

size_t aio_channel_length(const struct aio_channel *channel)
{
    (void)channel_core(channel, __func__);
    return channel->count;
}

size_t aio_channel_capacity(const struct aio_channel *channel)
{
    (void)channel_core(channel, __func__);
    return channel->capacity;
}

static bool send_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_channel *channel = of->object;
    (void)channel_core(channel, "aio_select_send");
    of->result = channel_put(channel, of->item);
    return of->result != -EAGAIN;
}

static void send_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    struct aio_channel *channel = entry->of->object;
    aio__select_queue(entry, &channel->senders);
}

static bool receive_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_channel *channel = of->object;
    (void)channel_core(channel, "aio_select_receive");
    of->result = channel_get(channel, of->item);
    return of->result != -EAGAIN;
}

static void receive_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    struct aio_channel *channel = entry->of->object;
    aio__select_queue(entry, &channel->receivers);
}

struct aio_select_case aio_select_send(struct aio_channel *channel, const void *item)
{
    static const struct aio__select_kind kind = {send_try, send_enlist, aio__select_unqueue, NULL};
    return (struct aio_select_case){
        .kind = &kind, .object = channel, .item = (void *)(uintptr_t)item};
}

struct aio_select_case aio_select_receive(struct aio_channel *channel, void *item)
{
    static const struct aio__select_kind kind = {receive_try, receive_enlist, aio__select_unqueue,
                                                 NULL};
    return (struct aio_select_case){.kind = &kind, .object = channel, .item = item};
}
