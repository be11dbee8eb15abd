/*
 * See port.h.
 */
#include "tests/contract/port.h"

#include "core/file_op.h"

#include <pthread.h>

static struct {
    struct aio__offload_port port; /* first member */
    struct aio__backend *outer;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    struct aio__op_list queued;
    struct aio__op_list finished;
    unsigned count;
    bool running;
    bool stopping;
} port = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void *work(void *unused)
{
    pthread_mutex_lock(&port.lock);
    while (!port.stopping) {
        struct aio__op *op = aio__op_list_pop(&port.queued);
        if (op == NULL) {
            pthread_cond_wait(&port.work, &port.lock);
            continue;
        }
        pthread_mutex_unlock(&port.lock);
        op->result = aio__file_perform(op);
        pthread_mutex_lock(&port.lock);
        aio__op_list_append(&port.finished, op);
        port.outer->vtable->wakeup(port.outer);
    }
    pthread_mutex_unlock(&port.lock);
    return unused;
}

static void port_submit(struct aio__offload_port *self, struct aio__op *op)
{
    (void)self;
    pthread_mutex_lock(&port.lock);
    op->state = AIO__OP_SUBMITTED;
    aio__op_list_append(&port.queued, op);
    port.count++;
    if (!port.running)
        port.running = pthread_create(&port.thread, NULL, work, NULL) == 0;
    pthread_cond_signal(&port.work);
    pthread_mutex_unlock(&port.lock);
}

static void port_cancel(struct aio__offload_port *self, struct aio__op *op)
{
    (void)self;
    pthread_mutex_lock(&port.lock);
    if (aio__op_list_remove(&port.queued, op)) {
        op->result = -ECANCELED;
        aio__op_list_append(&port.finished, op);
        port.outer->vtable->wakeup(port.outer);
    }
    pthread_mutex_unlock(&port.lock);
}

struct aio__offload_port *port_open(void)
{
    port.port = (struct aio__offload_port){NULL, port_submit, port_cancel};
    port.count = 0;
    port.running = false;
    port.stopping = false;
    return &port.port;
}

void port_wake(struct aio__backend *outer)
{
    port.outer = outer;
}

void port_deliver(void)
{
    struct aio__op *op;
    pthread_mutex_lock(&port.lock);
    while ((op = aio__op_list_pop(&port.finished)) != NULL)
        aio__backend_finish(port.port.backend, op, op->result);
    pthread_mutex_unlock(&port.lock);
}

unsigned port_count(void)
{
    return port.count;
}

void port_close(void)
{
    pthread_mutex_lock(&port.lock);
    port.stopping = true;
    pthread_cond_signal(&port.work);
    pthread_mutex_unlock(&port.lock);
    if (port.running)
        pthread_join(port.thread, NULL);
}
