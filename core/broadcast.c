/*
 * Broadcasts: a ring of the last items, numbered from 0, and subscribers that each know the number
 * of the item they want next.
 *
 * Invariant: a subscriber waits only while its next is the number that will be sent next.
 */
#include "core/alloc.h"
#include "core/items.h"
#include "core/select.h"

#include <aio/channel.h>

struct aio_broadcast {
    struct aio__core *core;
    size_t element_bytes;
    size_t capacity;
    size_t mask; /* of the ring, whose size is a power of two, at least capacity */
    uint64_t sent;
    uint32_t subscribers;
    bool closed;
    struct aio__wait_queue waiting;
    char items[] __attribute__((aligned(16)));
};

struct aio_subscriber {
    struct aio_broadcast *broadcast;
    uint64_t next;
    uint64_t missed;
};

/* The power of two that holds capacity items; 0 when size_t has none. */
static size_t broadcast_ring(size_t capacity)
{
    size_t ring = 1;
    while (ring < capacity && ring != 0)
        ring *= 2;
    return ring;
}

int aio_broadcast_open(struct aio_broadcast **out, size_t element_bytes, size_t capacity)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    size_t ring = broadcast_ring(capacity);
    size_t size;
    if (capacity == 0 || ring == 0)
        return -EINVAL;
    int rc = aio__items_size(&size, sizeof(struct aio_broadcast), ring, element_bytes);
    if (rc < 0)
        return rc;
    struct aio_broadcast *broadcast = aio__alloc(size);
    if (broadcast == NULL)
        return -ENOMEM;
    *broadcast = (struct aio_broadcast){
        .core = core, .element_bytes = element_bytes, .capacity = capacity, .mask = ring - 1};
    *out = broadcast;
    return 0;
}

static struct aio__core *broadcast_core(const struct aio_broadcast *broadcast, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    if (__builtin_expect(broadcast->core != core, 0))
        aio__core_die_elsewhere(broadcast->core, "this broadcast", function);
    return core;
}

void aio_broadcast_free(struct aio_broadcast *broadcast)
{
    if (broadcast == NULL)
        return;
    (void)broadcast_core(broadcast, __func__);
    AIO__REQUIRE(broadcast->subscribers == 0, "aio_broadcast_free: %u subscribers are left",
                 broadcast->subscribers);
    aio__free(broadcast);
}

static void *broadcast_place(struct aio_broadcast *broadcast, uint64_t number)
{
    return broadcast->items + ((size_t)number & broadcast->mask) * broadcast->element_bytes;
}

/* Hands an item to those who wait for it. A subscriber that several tasks share has got it with
 * the first of them; the others go on waiting. */
static void broadcast_hand_out(struct aio_broadcast *broadcast, uint64_t number)
{
    struct aio__wait *last = broadcast->waiting.tail;
    struct aio__wait *wait = NULL;
    while (wait != last && (wait = aio__wait_dequeue(&broadcast->waiting)) != NULL) {
        struct aio__party *party = AIO__CONTAINER(wait, struct aio__party, wait);
        struct aio_subscriber *subscriber = party->object;
        party->queue = NULL;
        if (subscriber->next > number) {
            aio__party_enlist(party, &broadcast->waiting);
        } else if (aio__wait_claim(wait)) {
            aio__item_copy(party->item, broadcast_place(broadcast, number),
                           broadcast->element_bytes);
            subscriber->next = number + 1;
            aio__party_finish(party, 1);
        }
    }
}

int aio_broadcast_send(struct aio_broadcast *broadcast, const void *item)
{
    (void)broadcast_core(broadcast, __func__);
    if (broadcast->closed)
        return -EPIPE;
    uint64_t number = broadcast->sent++;
    aio__item_copy(broadcast_place(broadcast, number), item, broadcast->element_bytes);
    broadcast_hand_out(broadcast, number);
    return 0;
}

void aio_broadcast_close(struct aio_broadcast *broadcast)
{
    (void)broadcast_core(broadcast, __func__);
    broadcast->closed = true;
    struct aio__party *party;
    while ((party = aio__party_take(&broadcast->waiting)) != NULL)
        aio__party_finish(party, 0);
}

int aio_broadcast_subscribe(struct aio_subscriber **out, struct aio_broadcast *broadcast)
{
    (void)broadcast_core(broadcast, __func__);
    struct aio_subscriber *subscriber = aio__alloc(sizeof *subscriber);
    if (subscriber == NULL)
        return -ENOMEM;
    *subscriber = (struct aio_subscriber){.broadcast = broadcast, .next = broadcast->sent};
    broadcast->subscribers++;
    *out = subscriber;
    return 0;
}

void aio_subscriber_free(struct aio_subscriber *subscriber)
{
    if (subscriber == NULL)
        return;
    struct aio_broadcast *broadcast = subscriber->broadcast;
    (void)broadcast_core(broadcast, __func__);
    struct aio__wait *next;
    for (struct aio__wait *wait = broadcast->waiting.head; wait != NULL; wait = next) {
        struct aio__party *party = AIO__CONTAINER(wait, struct aio__party, wait);
        next = wait->next;
        if (party->object != subscriber)
            continue;
        aio__party_leave(party);
        AIO__REQUIRE(!aio__wait_claim(wait), "aio_subscriber_free: task '%s' waits to receive",
                     aio_task_name(aio__party_task(party)));
    }
    broadcast->subscribers--;
    aio__free(subscriber);
}

/* Takes the next item if there is one. Returns as aio_subscriber_tryreceive. */
static int subscriber_get(struct aio_subscriber *subscriber, void *item)
{
    struct aio_broadcast *broadcast = subscriber->broadcast;
    if (subscriber->next == broadcast->sent)
        return broadcast->closed ? 0 : -EAGAIN;
    if (broadcast->sent - subscriber->next > broadcast->capacity) {
        uint64_t oldest = broadcast->sent - broadcast->capacity;
        subscriber->missed += oldest - subscriber->next;
        subscriber->next = oldest;
        return -EOVERFLOW;
    }
    aio__item_copy(item, broadcast_place(broadcast, subscriber->next), broadcast->element_bytes);
    subscriber->next++;
    return 1;
}

int aio_subscriber_receive(struct aio_subscriber *subscriber, void *item)
{
    struct aio_broadcast *broadcast = subscriber->broadcast;
    struct aio__core *core = broadcast_core(broadcast, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = subscriber_get(subscriber, item);
    if (rc == -EAGAIN)
        return aio__party_wait(core, &broadcast->waiting, item, subscriber, "broadcast receive");
    aio__charge(core);
    return rc;
}

int aio_subscriber_tryreceive(struct aio_subscriber *subscriber, void *item)
{
    (void)broadcast_core(subscriber->broadcast, __func__);
    return subscriber_get(subscriber, item);
}

uint64_t aio_subscriber_missed(const struct aio_subscriber *subscriber)
{
    (void)broadcast_core(subscriber->broadcast, __func__);
    return subscriber->missed;
}

static bool subscriber_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_subscriber *subscriber = of->object;
    (void)broadcast_core(subscriber->broadcast, "aio_select_subscriber");
    of->result = subscriber_get(subscriber, of->item);
    return of->result != -EAGAIN;
}

static void subscriber_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    struct aio_subscriber *subscriber = entry->of->object;
    aio__select_queue(entry, &subscriber->broadcast->waiting);
}

struct aio_select_case aio_select_subscriber(struct aio_subscriber *subscriber, void *item)
{
    static const struct aio__select_kind kind = {subscriber_try, subscriber_enlist,
                                                 aio__select_unqueue, NULL};
    return (struct aio_select_case){.kind = &kind, .object = subscriber, .item = item};
}
