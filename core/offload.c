/*
 * The offload pool's queue and threads, see offload.h. An op goes core -> queued -> a thread ->
 * finished -> its backend's `done`, or for a call its task; one mail stands for any number of
 * finished ops. There is a thread while anything is queued.
 */
#include "core/offload.h"

#include "core/file_op.h"
#include "core/runtime.h"
#include "core/task.h"

#include <signal.h>
#include <time.h>

/* The blocking form of an op. */
static int32_t offload_perform(struct aio__op *op)
{
    if (op->opcode == AIO__OFFLOAD_CALL) {
        struct aio__offload_call *call = AIO__CONTAINER(op, struct aio__offload_call, op);
        call->value = call->fn(call->arg);
        return 0;
    }
    return aio__file_perform(op);
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

static __thread bool offload_kept; /* this thread of a pool does not end for being idle */

void aio__offload_keep_thread(void)
{
    offload_kept = true;
}

static struct timespec offload_idle_end(const struct aio__offload *offload)
{
    int64_t now_ns = aio_time_now();
    int64_t idle_ns = offload_kept ? AIO_FOREVER : offload->idle_ns;
    int64_t end_ns = idle_ns < AIO_FOREVER - now_ns ? now_ns + idle_ns : AIO_FOREVER;
    return (struct timespec){.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
}

/* With the lock held. Returns false when the thread shall end. */
static bool offload_await_work(struct aio__offload *offload)
{
    struct timespec end = offload_idle_end(offload);
    int rc = 0;
    offload->idle++;
    while (offload->queued_count == 0 && !offload->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&offload->work, &offload->lock, &end);
    offload->idle--;
    return offload->queued_count > 0;
}

static struct aio__op *offload_take(struct aio__offload *offload)
{
    struct aio__op *op = aio__op_list_pop(&offload->queued);
    if (op != NULL)
        offload->queued_count--;
    return op;
}

/* With the lock held, which it releases. Each thread joins the one that ended before it, so that
 * nothing is left of it and close has but one to join. */
static void offload_end_thread(struct aio__offload *offload)
{
    pthread_t before = offload->ended;
    bool join = offload->ended_valid;
    offload->ended = pthread_self();
    offload->ended_valid = true;
    if (--offload->threads == 0)
        pthread_cond_signal(&offload->gone);
    pthread_mutex_unlock(&offload->lock);
    if (join)
        pthread_join(before, NULL);
}

static void *offload_thread(void *arg)
{
    struct aio__offload *offload = arg;
    (void)pthread_setname_np(pthread_self(), "aio-offload");
    if (offload->runtime != NULL)
        aio__affinity_widen(offload->runtime); /* not in the way of the core that waits for it */
    pthread_mutex_lock(&offload->lock);
    do {
        struct aio__op *op;
        while ((op = offload_take(offload)) != NULL) {
            pthread_mutex_unlock(&offload->lock);
            int32_t result = offload_perform(op);
            pthread_mutex_lock(&offload->lock);
            offload_finish(offload, op, result);
        }
    } while (offload_await_work(offload));
    offload_end_thread(offload);
    return NULL;
}

/* With the lock held. Signals are for the runtime's thread. */
static void offload_add_thread(struct aio__offload *offload)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, offload_thread, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        offload->threads++;
}

/* A thread that was signalled counts as idle until it runs, so each idle one stands for one op. */
int aio__offload_push(struct aio__offload *offload, struct aio__op *op)
{
    int rc = 0;
    pthread_mutex_lock(&offload->lock);
    if (offload->queued_count >= offload->idle && offload->threads < offload->thread_limit)
        offload_add_thread(offload);
    if (offload->threads > 0) {
        aio__op_list_append(&offload->queued, op);
        offload->queued_count++;
        pthread_cond_signal(&offload->work);
    } else {
        rc = -EAGAIN;
    }
    pthread_mutex_unlock(&offload->lock);
    return rc;
}

bool aio__offload_withdraw(struct aio__offload *offload, struct aio__op *op)
{
    pthread_mutex_lock(&offload->lock);
    bool queued = aio__op_list_remove(&offload->queued, op);
    offload->queued_count -= queued;
    pthread_mutex_unlock(&offload->lock);
    return queued;
}

static void offload_finish_here(struct aio__offload *offload, struct aio__op *op, int32_t result)
{
    pthread_mutex_lock(&offload->lock);
    offload_finish(offload, op, result);
    pthread_mutex_unlock(&offload->lock);
}

static void offload_submit(struct aio__offload_port *port, struct aio__op *op)
{
    struct aio__offload *offload = (struct aio__offload *)(void *)port;
    op->state = AIO__OP_SUBMITTED;
    if (aio__offload_push(offload, op) < 0) /* no thread is to be had: slow is better than never */
        offload_finish_here(offload, op, offload_perform(op));
}

static void offload_cancel(struct aio__offload_port *port, struct aio__op *op)
{
    struct aio__offload *offload = (struct aio__offload *)(void *)port;
    if (aio__offload_withdraw(offload, op))
        offload_finish_here(offload, op, -ECANCELED);
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
    while ((op = aio__op_list_pop(&finished)) != NULL) {
        if (op->opcode == AIO__OFFLOAD_CALL)
            op->complete(op);
        else
            aio__backend_finish(offload->port.backend, op, op->result);
    }
}

void aio__offload_count(struct aio__offload *offload, uint32_t *queued, uint32_t *threads)
{
    pthread_mutex_lock(&offload->lock);
    *queued = offload->queued_count + offload->waiting;
    *threads = offload->threads;
    pthread_mutex_unlock(&offload->lock);
}

void aio__offload_open(struct aio__offload *offload, struct aio__mailbox *mailbox,
                       const struct aio__offload_limits *limits)
{
    *offload = (struct aio__offload){
        .port = {.submit = offload_submit, .cancel = offload_cancel},
        .mail = {.deliver = offload_deliver},
        .mailbox = mailbox,
        .runtime = limits->runtime,
        .thread_limit = limits->threads,
        .idle_ns = limits->idle_ns,
        .call_limit = (uint64_t)limits->threads + limits->queue,
    };
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->work, &monotonic);
    pthread_cond_init(&offload->gone, NULL);
    pthread_condattr_destroy(&monotonic);
}

void aio__offload_close(struct aio__offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->work);
    while (offload->threads > 0)
        pthread_cond_wait(&offload->gone, &offload->lock);
    pthread_mutex_unlock(&offload->lock);
    if (offload->ended_valid)
        pthread_join(offload->ended, NULL);
    pthread_cond_destroy(&offload->gone);
    pthread_cond_destroy(&offload->work);
    pthread_mutex_destroy(&offload->lock);
}
