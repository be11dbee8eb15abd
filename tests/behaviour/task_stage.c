/*
 * The stage with its kinds of waits, see task_stage.h.
 */
#define SUITE "task"
#include "tests/behaviour/task_stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than a wire takes unread. */
static char bulk[4 << 20];

static int hold_read(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

static int hold_write(void *arg)
{
    return (int)aio_stream_write_all(arg, bulk, sizeof bulk, NULL);
}

static int hold_accept(void *arg)
{
    struct aio_stream *stream;
    int rc = aio_listener_accept(arg, &stream);
    if (AIO_CHECK(rc < 0))
        return rc;
    aio_stream_close(stream);
    return rc;
}

/* A listener that takes one connection into its backlog, and that connection. Later ones hang. */
static bool open_silent(struct stage *stage)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t length = sizeof address;
    for (int i = 0; i < 3; i++)
        stage->silent[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(stage->silent[0], any, length) < 0 || listen(stage->silent[0], 0) < 0 ||
        getsockname(stage->silent[0], any, &length) < 0)
        return AIO_CHECK(!"no listener for the connection that hangs");
    for (int i = 1; i < 3; i++)
        (void)connect(stage->silent[i], any, length);
    struct pollfd first = {stage->silent[1], POLLOUT, 0};
    snprintf(stage->silent_text, sizeof stage->silent_text, "127.0.0.1:%d",
             ntohs(address.sin_port));
    return AIO_CHECK(poll(&first, 1, 5000) == 1);
}

void stage_close_silent(struct stage *stage)
{
    for (int i = 0; i < 3; i++)
        close(stage->silent[i]);
}

static bool open_holders(struct stage *stage)
{
    stage->endless = task_named("endless", task_sleep_forever, NULL);
    stage->holders[0] = task_named("reading", hold_read, stage->busy.near);
    stage->holders[1] = task_named("writing", hold_write, stage->busy.near);
    stage->holders[2] = task_named("accepting", hold_accept, stage->taken);
    return task_wait_parked("endless") && task_wait_parked("reading") &&
           task_wait_parked("writing") && task_wait_parked("accepting");
}

bool stage_open(struct stage *stage)
{
    char text[AIO_ADDRESS_TEXT_BYTES];
    *stage = (struct stage){.endless = NULL};
    return wire_open(&stage->idle) && wire_open(&stage->busy) &&
           wire_listen(&stage->listener, text) && wire_listen(&stage->taken, text) &&
           open_silent(stage) && open_holders(stage);
}

void stage_close(struct stage *stage)
{
    AIO_CHECK_ERROR(task_stop(stage->endless), -ECANCELED);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_ERROR(task_stop(stage->holders[i]), -ECANCELED);
    wire_close(&stage->idle);
    wire_close(&stage->busy);
    aio_listener_close(stage->listener);
    aio_listener_close(stage->taken);
    stage_close_silent(stage);
}

int stage_wait_sleep(struct stage *stage)
{
    (void)stage;
    return aio_time_sleep(AIO_FOREVER);
}

int stage_wait_join(struct stage *stage)
{
    int rc = aio_task_join(stage->endless, NULL);
    AIO_CHECK(rc < 0);
    return rc;
}

int stage_wait_read(struct stage *stage)
{
    char byte;
    return (int)aio_stream_read(stage->idle.near, &byte, 1);
}

int stage_wait_read_exact(struct stage *stage)
{
    char bytes[8];
    size_t done = 99;
    int rc = (int)aio_stream_read_exact(stage->idle.near, bytes, sizeof bytes, &done);
    AIO_CHECK_EQ(done, 0);
    return rc;
}

int stage_wait_readv(struct stage *stage)
{
    char bytes[8];
    struct iovec vectors[] = {{bytes, 4}, {bytes + 4, 4}};
    return (int)aio_stream_readv(stage->idle.near, vectors, 2);
}

int stage_wait_write(struct stage *stage)
{
    ssize_t rc;
    while ((rc = aio_stream_write(stage->idle.near, bulk, sizeof bulk)) > 0)
        ;
    return (int)rc;
}

int stage_wait_write_all(struct stage *stage)
{
    return (int)aio_stream_write_all(stage->idle.near, bulk, sizeof bulk, NULL);
}

int stage_wait_writev(struct stage *stage)
{
    struct iovec vectors[] = {{bulk, sizeof bulk / 2}, {bulk, sizeof bulk / 2}};
    ssize_t rc;
    while ((rc = aio_stream_writev(stage->idle.near, vectors, 2)) > 0)
        ;
    return (int)rc;
}

int stage_wait_accept(struct stage *stage)
{
    return hold_accept(stage->listener);
}

int stage_wait_connect(struct stage *stage)
{
    struct aio_stream *stream;
    int rc = aio_tcp_connect(&stream, stage->silent_text);
    if (!AIO_CHECK(rc < 0))
        aio_stream_close(stream);
    return rc;
}

int stage_wait_read_turn(struct stage *stage)
{
    return hold_read(stage->busy.near);
}

int stage_wait_write_turn(struct stage *stage)
{
    return (int)aio_stream_write(stage->busy.near, "x", 1);
}

int stage_wait_accept_turn(struct stage *stage)
{
    return hold_accept(stage->taken);
}

int stage_wait_shutdown_turn(struct stage *stage)
{
    return aio_stream_shutdown(stage->busy.near, AIO_STREAM_WRITE);
}

int stage_waiter_run(void *arg)
{
    struct stage_waiter *waiter = arg;
    uint64_t ops = task_stats().ops;
    waiter->first = waiter->wait(waiter->stage);
    waiter->ops_first = task_stats().ops - ops;
    ops = task_stats().ops;
    waiter->again = waiter->wait(waiter->stage);
    waiter->ops_again = task_stats().ops - ops;
    return waiter->first;
}
