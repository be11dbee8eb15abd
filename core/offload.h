/*
 * The offload pool: threads for work that neither readiness nor the ring can make asynchronous.
 * They start when there is work for them, up to a limit, and end when they have been idle for a
 * while, but for those that are to be kept, or with the runtime.
 *
 * Ops of backends and calls of tasks share one queue and its threads. Ops go straight to the queue.
 * Calls are bounded: beyond the bound they wait, as waits of their tasks, on the core's side.
 */
#ifndef AIO_CORE_OFFLOAD_H
#define AIO_CORE_OFFLOAD_H

#include "core/backend.h"
#include "core/mailbox.h"
#include "core/wait.h"

#include <pthread.h>

struct aio_runtime;

struct aio__offload {
    struct aio__offload_port port; /* what backends see; first member */
    struct aio__mail mail;         /* "finished is not empty" */
    struct aio__mailbox *mailbox;
    const struct aio_runtime *runtime; /* whose processors the threads have; NULL: as it was made */
    uint32_t thread_limit;
    int64_t idle_ns; /* after which a thread ends */

    uint64_t call_limit; /* these four are the core's thread's own, see offload_call.c */
    uint64_t calls;      /* in the pool */
    uint32_t waiting;
    struct aio__wait_queue waiters; /* for a place in the pool */

    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t work;
    pthread_cond_t gone; /* there is no thread any more */
    struct aio__op_list queued;
    struct aio__op_list finished;
    uint32_t queued_count;
    bool mail_posted;
    bool stopping;
    uint32_t idle; /* threads that wait for work; some of them may have been signalled */
    uint32_t threads;
    bool ended_valid;
    pthread_t ended; /* the thread that ended last: the next one to end joins it, or close does */
};

struct aio__offload_limits {
    uint32_t threads;
    uint32_t queue;
    int64_t idle_ns;
    const struct aio_runtime *runtime;
};

/* The opcode of a call's op, which no backend ever sees. */
#define AIO__OFFLOAD_CALL AIO__OP_COUNT

/* A call, in the frame of the task that waits for it. */
struct aio__offload_call {
    struct aio__op op;
    int (*fn)(void *arg);
    void *arg;
    int value; /* fn's result */
    bool in_pool;
    struct aio__wait wait;
};

void aio__offload_open(struct aio__offload *offload, struct aio__mailbox *mailbox,
                       const struct aio__offload_limits *limits);

/* Ends and joins the threads; nothing may be queued or running. */
void aio__offload_close(struct aio__offload *offload);

struct aio__core;

/* Runs call->fn on a thread and waits for it, as aio_offload_call. Returns 0 with call->value set;
 * or why fn did not run. */
int aio__offload_run(struct aio__core *core, struct aio__offload_call *call);

/* Queues an op for the threads. Returns 0; -EAGAIN when there is no thread and none can be started:
 * nothing was queued then. */
int aio__offload_push(struct aio__offload *offload, struct aio__op *op);

/* Takes an op out of the queue. Returns false when a thread has begun it, or finished it. */
bool aio__offload_withdraw(struct aio__offload *offload, struct aio__op *op);

/* In a call, on a thread of the pool: that one lives as long as the pool does, however idle. */
void aio__offload_keep_thread(void);

/* Ops and calls that no thread has begun, calls that wait for a place included; and threads. */
void aio__offload_count(struct aio__offload *offload, uint32_t *queued, uint32_t *threads);

#endif
