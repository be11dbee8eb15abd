/*
 * The offload pool: threads for work that neither readiness nor the ring can make asynchronous.
 * They start when first needed, up to a limit, and end with the runtime.
 */
#ifndef AIO_CORE_OFFLOAD_H
#define AIO_CORE_OFFLOAD_H

#include "core/backend.h"
#include "core/mailbox.h"

#include <pthread.h>

struct aio__offload {
    struct aio__offload_port port; /* what backends see; first member */
    struct aio__mail mail;         /* "finished is not empty" */
    struct aio__mailbox *mailbox;
    uint32_t thread_limit;
    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t work;
    struct aio__op_list queued;
    struct aio__op_list finished;
    bool mail_posted;
    bool stopping;
    uint32_t idle;
    uint32_t threads;
    pthread_t *ids;
};

/* Returns 0 or -ENOMEM. */
int aio__offload_open(struct aio__offload *offload, struct aio__mailbox *mailbox,
                      uint32_t thread_limit);

/* Joins the threads; nothing may be queued or running. */
void aio__offload_close(struct aio__offload *offload);

#endif
