/*
 * The mailbox's protocols, see mailbox.h.
 */
#include "core/mailbox.h"

#include "core/backend.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static struct aio__mail mailbox_closed_mark;

#define MAILBOX_CLOSED (&mailbox_closed_mark)

static pthread_mutex_t mailbox_lock = PTHREAD_MUTEX_INITIALIZER;
static struct aio__mailbox *mailbox_free_list;

/* Not from the counted allocator: the memory is the process's, and stays. */
struct aio__mailbox *aio__mailbox_open(atomic_int *busy)
{
    pthread_mutex_lock(&mailbox_lock);
    struct aio__mailbox *mailbox = mailbox_free_list;
    if (mailbox != NULL)
        mailbox_free_list = mailbox->next_free;
    pthread_mutex_unlock(&mailbox_lock);
    if (mailbox == NULL)
        mailbox = calloc(1, sizeof *mailbox); /* tidy: allow calloc: never freed */
    if (mailbox == NULL)
        return NULL;
    mailbox->backend = NULL;
    mailbox->busy = busy;
    atomic_store(&mailbox->state, AIO__AWAKE);
    atomic_store(&mailbox->top, NULL);
    return mailbox;
}

void aio__mailbox_free(struct aio__mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox_lock);
    mailbox->next_free = mailbox_free_list;
    mailbox_free_list = mailbox;
    pthread_mutex_unlock(&mailbox_lock);
}

void aio__mailbox_forked(void)
{
    pthread_mutex_init(&mailbox_lock, NULL);
    mailbox_free_list = NULL;
}

/* With `rousing` raised: a core that has announced anything now has not closed, and waits for us.
 */
static void mailbox_rouse(struct aio__mailbox *mailbox)
{
    if (atomic_load(&mailbox->state) == AIO__AWAKE)
        return;
    atomic_fetch_add(mailbox->busy, 1);
    int state = atomic_exchange(&mailbox->state, AIO__AWAKE);
    bool wake = state != AIO__AWAKE;
    if (state != AIO__IDLE && atomic_fetch_sub(mailbox->busy, 1) == 1)
        wake = true; /* it went idle in between, and found us counted */
    if (wake)
        mailbox->backend->vtable->wakeup(mailbox->backend);
}

void aio__mailbox_rouse(struct aio__mailbox *mailbox)
{
    if (atomic_load(&mailbox->state) == AIO__AWAKE)
        return;
    atomic_fetch_add(&mailbox->rousing, 1);
    mailbox_rouse(mailbox);
    atomic_fetch_sub(&mailbox->rousing, 1);
}

bool aio__mailbox_post(struct aio__mailbox *mailbox, struct aio__mail *mail)
{
    struct aio__mail *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    do {
        if (top == MAILBOX_CLOSED)
            return false;
        mail->next = top;
    } while (!atomic_compare_exchange_weak(&mailbox->top, &top, mail));
    aio__mailbox_rouse(mailbox);
    return true;
}

bool aio__mailbox_full(const struct aio__mailbox *mailbox)
{
    return atomic_load(&mailbox->top) != NULL;
}

void aio__mailbox_drain(struct aio__core *core, struct aio__mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->top, memory_order_relaxed) == NULL)
        return;
    struct aio__mail *newest = atomic_exchange(&mailbox->top, NULL);
    struct aio__mail *oldest = NULL;
    while (newest != NULL) {
        struct aio__mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct aio__mail *next = oldest->next; /* deliver may free it */
        oldest->deliver(core, oldest);
        oldest = next;
    }
}

bool aio__mailbox_sleep(struct aio__mailbox *mailbox, enum aio__mailbox_state state, bool *last)
{
    *last = false;
    atomic_store(&mailbox->state, (int)state);
    if (aio__mailbox_full(mailbox)) {
        /* A poster that was faster has counted us in, and we had not counted ourselves out. */
        if (atomic_exchange(&mailbox->state, AIO__AWAKE) == AIO__AWAKE && state == AIO__IDLE)
            atomic_fetch_sub(mailbox->busy, 1);
        return false;
    }
    if (state == AIO__IDLE)
        *last = atomic_fetch_sub(mailbox->busy, 1) == 1;
    return true;
}

/* What was announced is ours alone to know: others only take it back. */
void aio__mailbox_awake(struct aio__mailbox *mailbox)
{
    int announced = atomic_load_explicit(&mailbox->state, memory_order_relaxed);
    if (announced == AIO__AWAKE)
        return; /* taken back, and counted in if need be */
    if (announced == AIO__IDLE)
        atomic_fetch_add(mailbox->busy, 1);
    if (atomic_exchange(&mailbox->state, AIO__AWAKE) == AIO__AWAKE && announced == AIO__IDLE)
        atomic_fetch_sub(mailbox->busy, 1);
}

bool aio__mailbox_close(struct aio__mailbox *mailbox)
{
    struct aio__mail *empty = NULL;
    if (!atomic_compare_exchange_strong(&mailbox->top, &empty, MAILBOX_CLOSED))
        return false;
    while (atomic_load(&mailbox->rousing) > 0)
        (void)sched_yield();
    return true;
}
