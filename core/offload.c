/*
 * The offload pool, see offload.h. An op goes core -> queued -> a thread -> finished -> its
 * backend's `done`; one mail stands for any number of finished ops.
 */
#include "core/offload.h"

#include "core/alloc.h"
#include "core/task.h"

#include <signal.h>
#include <unistd.h>

static ssize_t offload_transfer(const struct aio__op *op)
{
    size_t length =
        op->file.length < AIO__TRANSFER_BYTES_MAX ? op->file.length : AIO__TRANSFER_BYTES_MAX;
    if (op->opcode == AIO__OP_READ)
        return op->file.offset < 0 ? read(op->fd, op->file.buffer, length)
                                   : pread(op->fd, op->file.buffer, length, op->file.offset);
    return op->file.offset < 0 ? write(op->fd, op->file.buffer, length)
                               : pwrite(op->fd, op->file.buffer, length, op->file.offset);
}

/* The blocking form of an op. */
static int32_t offload_perform(const struct aio__op *op)
{
    if (op->opcode != AIO__OP_READ && op->opcode != AIO__OP_WRITE)
        return -EOPNOTSUPP;
    ssize_t n;
    do {
        n = offload_transfer(op);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int32_t)n;
}

/* With the lock held. */
static void offload_finish(struct aio__offload *offload, struct aio__op *op, int32_t result)
{
    op->result = result;
    aio__op_list_append(&offload->finished, op);
    if (offload->mail_posted)
        return;
    offload->mail_posted = true;
    /* The core waits for this op, so it is open. */
    (void)aio__mailbox_post(offload->mailbox, &offload->mail);
}

static void *offload_thread(void *arg)
{
    struct aio__offload *offload = arg;
    pthread_mutex_lock(&offload->lock);
    for (;;) {
        struct aio__op *op = aio__op_list_pop(&offload->queued);
        if (op != NULL) {
            pthread_mutex_unlock(&offload->lock);
            int32_t result = offload_perform(op);
            pthread_mutex_lock(&offload->lock);
            offload_finish(offload, op, result);
        } else if (offload->stopping) {
            break;
        } else {
            offload->idle++;
            pthread_cond_wait(&offload->work, &offload->lock);
            offload->idle--;
        }
    }
    pthread_mutex_unlock(&offload->lock);
    return NULL;
}

/* With the lock held. Signals are for the runtime's thread. */
static void offload_add_thread(struct aio__offload *offload)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&offload->ids[offload->threads], NULL, offload_thread, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        offload->threads++;
}

static void offload_submit(struct aio__offload_port *port, struct aio__op *op)
{
    struct aio__offload *offload = (struct aio__offload *)(void *)port;
    pthread_mutex_lock(&offload->lock);
    op->state = AIO__OP_SUBMITTED;
    aio__op_list_append(&offload->queued, op);
    if (offload->idle == 0 && offload->threads < offload->thread_limit)
        offload_add_thread(offload);
    if (offload->threads == 0) { /* no thread is to be had: slow is better than never */
        (void)aio__op_list_remove(&offload->queued, op);
        offload_finish(offload, op, offload_perform(op));
    }
    pthread_cond_signal(&offload->work);
    pthread_mutex_unlock(&offload->lock);
}

static void offload_cancel(struct aio__offload_port *port, struct aio__op *op)
{
    struct aio__offload *offload = (struct aio__offload *)(void *)port;
    pthread_mutex_lock(&offload->lock);
    if (aio__op_list_remove(&offload->queued, op))
        offload_finish(offload, op, -ECANCELED);
    pthread_mutex_unlock(&offload->lock);
}

static void offload_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    struct aio__offload *offload = AIO__CONTAINER(mail, struct aio__offload, mail);
    pthread_mutex_lock(&offload->lock);
    struct aio__op_list finished = offload->finished;
    offload->finished = (struct aio__op_list){NULL, NULL};
    offload->mail_posted = false;
    pthread_mutex_unlock(&offload->lock);
    struct aio__op *op;
    while ((op = aio__op_list_pop(&finished)) != NULL)
        aio__backend_finish(offload->port.backend, op, op->result);
}

int aio__offload_open(struct aio__offload *offload, struct aio__mailbox *mailbox,
                      uint32_t thread_limit)
{
    *offload = (struct aio__offload){
        .port = {.submit = offload_submit, .cancel = offload_cancel},
        .mail = {.deliver = offload_deliver},
        .mailbox = mailbox,
        .thread_limit = thread_limit,
    };
    offload->ids = aio__alloc(thread_limit * sizeof *offload->ids);
    if (offload->ids == NULL)
        return -ENOMEM;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->work, NULL);
    return 0;
}

void aio__offload_close(struct aio__offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->work);
    pthread_mutex_unlock(&offload->lock);
    for (uint32_t i = 0; i < offload->threads; i++)
        pthread_join(offload->ids[i], NULL);
    pthread_cond_destroy(&offload->work);
    pthread_mutex_destroy(&offload->lock);
    aio__free(offload->ids);
}
