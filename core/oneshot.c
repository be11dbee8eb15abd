/*
 * Oneshots: one item, once, in the caller's memory.
 */
#include "core/items.h"
#include "core/select.h"

#include <aio/channel.h>

enum oneshot_state {
    ONESHOT_EMPTY, /* zero, as the initialisers have it */
    ONESHOT_SENT,
    ONESHOT_RECEIVED,
    ONESHOT_DROPPED,
};

/* It begins without a runtime, as it is initialised statically: the first call's is its own. */
static struct aio__core *oneshot_core(struct aio_oneshot *oneshot, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    if (oneshot->runtime == NULL)
        oneshot->runtime = core;
    if (__builtin_expect(oneshot->runtime != core, 0))
        aio__core_die_elsewhere(oneshot->runtime, "this oneshot", function);
    return core;
}

/* The receiver, claimed; NULL when nobody waits. */
static struct aio__wait *oneshot_take_receiver(struct aio_oneshot *oneshot)
{
    struct aio__wait *receiver = oneshot->receiver;
    oneshot->receiver = NULL;
    return receiver != NULL && aio__wait_claim(receiver) ? receiver : NULL;
}

static void oneshot_set_receiver(struct aio_oneshot *oneshot, struct aio__wait *wait)
{
    AIO__REQUIRE(oneshot->receiver == NULL || aio__wait_stale(oneshot->receiver),
                 "aio_oneshot_receive: another task is receiving");
    oneshot->receiver = wait;
}

int aio_oneshot_send(struct aio_oneshot *oneshot, const void *item)
{
    (void)oneshot_core(oneshot, __func__);
    if (oneshot->state != ONESHOT_EMPTY)
        return oneshot->state == ONESHOT_DROPPED ? -EPIPE : -EALREADY;
    aio__item_copy(oneshot->slot, item, oneshot->bytes);
    struct aio__wait *receiver = oneshot_take_receiver(oneshot);
    oneshot->state = receiver != NULL ? ONESHOT_RECEIVED : ONESHOT_SENT;
    if (receiver != NULL)
        aio__wait_finish(receiver, 1);
    return 0;
}

void aio_oneshot_drop(struct aio_oneshot *oneshot)
{
    (void)oneshot_core(oneshot, __func__);
    if (oneshot->state != ONESHOT_EMPTY)
        return;
    oneshot->state = ONESHOT_DROPPED;
    struct aio__wait *receiver = oneshot_take_receiver(oneshot);
    if (receiver != NULL)
        aio__wait_finish(receiver, 0);
}

/* Receives if that needs no wait. Returns as aio_oneshot_receive, or -EAGAIN. */
static int oneshot_get(struct aio_oneshot *oneshot)
{
    switch ((enum oneshot_state)oneshot->state) {
    case ONESHOT_SENT:
        oneshot->state = ONESHOT_RECEIVED;
        return 1;
    case ONESHOT_RECEIVED:
        return -EALREADY;
    case ONESHOT_DROPPED:
        return 0;
    case ONESHOT_EMPTY:
        break;
    }
    return -EAGAIN;
}

struct oneshot_wait {
    struct aio_oneshot *oneshot;
    struct aio__wait wait;
};

static void oneshot_abort(struct aio__wait *wait)
{
    AIO__CONTAINER(wait, struct oneshot_wait, wait)->oneshot->receiver = NULL;
    aio__wake(wait, -ECANCELED);
}

int aio_oneshot_receive(struct aio_oneshot *oneshot)
{
    struct aio__core *core = oneshot_core(oneshot, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = oneshot_get(oneshot);
    if (rc != -EAGAIN)
        return rc;
    struct oneshot_wait frame = {oneshot, {.abort = oneshot_abort, .what = "oneshot"}};
    oneshot_set_receiver(oneshot, &frame.wait);
    rc = aio__park(core, &frame.wait);
    return rc < 0 ? aio__wait_reason(&frame.wait) : rc;
}

static bool oneshot_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_oneshot *oneshot = of->object;
    (void)oneshot_core(oneshot, "aio_select_oneshot");
    of->result = oneshot_get(oneshot);
    return of->result != -EAGAIN;
}

static void oneshot_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    entry->party.wait.task = NULL;
    oneshot_set_receiver(entry->of->object, &entry->party.wait);
}

static void oneshot_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    struct aio_oneshot *oneshot = entry->of->object;
    if (oneshot->receiver == &entry->party.wait)
        oneshot->receiver = NULL;
}

struct aio_select_case aio_select_oneshot(struct aio_oneshot *oneshot)
{
    static const struct aio__select_kind kind = {oneshot_try, oneshot_enlist, oneshot_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = oneshot};
}
