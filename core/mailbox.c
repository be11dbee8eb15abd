/*
 * The mailbox's protocol, see mailbox.h.
 */
#include "core/mailbox.h"

#include "core/backend.h"

void aio__mailbox_post(struct aio__mailbox *mailbox, struct aio__mail *mail)
{
    struct aio__mail *top = atomic_load_explicit(&mailbox->top, memory_order_relaxed);
    do {
        mail->next = top;
    } while (!atomic_compare_exchange_weak(&mailbox->top, &top, mail));
    if (atomic_load(&mailbox->sleeping) != 0 && atomic_exchange(&mailbox->sleeping, 0) != 0)
        mailbox->backend->vtable->wakeup(mailbox->backend);
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

bool aio__mailbox_sleep(struct aio__mailbox *mailbox)
{
    atomic_store(&mailbox->sleeping, 1);
    return atomic_load(&mailbox->top) == NULL;
}

void aio__mailbox_awake(struct aio__mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->sleeping, 0, memory_order_relaxed);
}
