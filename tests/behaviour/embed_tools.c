/*
 * See embed_tools.h.
 */
#include "tests/behaviour/embed_tools.h"

#include <sys/epoll.h>
#include <unistd.h>

bool embed_open(struct embed_loop *loop)
{
    *loop = (struct embed_loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return AIO_CHECK(loop->epoll >= 0);
}

struct aio_runtime *embed_attach_with(struct embed_loop *loop, uint32_t ring_entries,
                                      int (*entry)(void *arg), void *arg)
{
    struct aio_runtime *runtime;
    struct aio_runtime_options options = test_options();
    options.ring_entries = ring_entries;
    if (!AIO_CHECK_OK(aio_runtime_create(&runtime, &options)))
        return NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = runtime};
    AIO_CHECK_ERROR(aio_runtime_fd(runtime), -EINVAL);
    AIO_CHECK_OK(aio_runtime_attach(runtime, entry, arg));
    int fd = aio_runtime_fd(runtime);
    AIO_CHECK(fd >= 0);
    AIO_CHECK_EQ(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    loop->runtimes[loop->alive++] = runtime;
    return runtime;
}

struct aio_runtime *embed_attach(struct embed_loop *loop, int (*entry)(void *arg), void *arg)
{
    return embed_attach_with(loop, 0, entry, arg);
}

bool embed_turn(struct embed_loop *loop, int timeout_ms)
{
    struct epoll_event event;
    if (epoll_wait(loop->epoll, &event, 1, timeout_ms) != 1)
        return false;
    loop->turns++;
    int rc = aio_runtime_turn(event.data.ptr);
    if (rc == 0) {
        loop->alive--;
        AIO_CHECK_ERROR(aio_runtime_fd(event.data.ptr), -EINVAL);
        AIO_CHECK_EQ(aio_runtime_turn(event.data.ptr), 0);
    }
    AIO_CHECK(rc == 0 || rc == 1);
    return true;
}

bool embed_run(struct embed_loop *loop)
{
    int64_t limit_ns = aio_time_now() + AIO_SEC(10) * test_slowness();
    while (loop->alive > 0 && aio_time_now() < limit_ns)
        (void)embed_turn(loop, 100);
    return AIO_CHECK_EQ(loop->alive, 0);
}

void embed_close(struct embed_loop *loop)
{
    for (int i = 0; i < EMBED_MOST; i++)
        aio_runtime_destroy(loop->runtimes[i]);
    close(loop->epoll);
}

int embed_result(struct aio_runtime *runtime)
{
    int result = -1;
    AIO_CHECK_OK(aio_runtime_wait(runtime, &result));
    return result;
}
