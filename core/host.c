/*
 * Turning a runtime from somebody else's event loop, see host.h.
 */
#include "core/host.h"

#include "core/runtime.h"
#include "core/sched.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

int aio__host_open(struct aio_runtime *runtime)
{
    struct aio__backend *backend = runtime->seats[0].core.backend;
    struct epoll_event event = {.events = EPOLLIN};
    runtime->host_fd = epoll_create1(EPOLL_CLOEXEC);
    if (runtime->host_fd < 0)
        return -errno;
    runtime->host_timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (runtime->host_timer_fd < 0)
        return -errno;
    if (epoll_ctl(runtime->host_fd, EPOLL_CTL_ADD, runtime->host_timer_fd, &event) < 0)
        return -errno;
    return backend->vtable->watch(backend, runtime->host_fd);
}

static void host_close(struct aio_runtime *runtime)
{
    if (runtime->host_fd >= 0)
        (void)close(runtime->host_fd);
    if (runtime->host_timer_fd >= 0)
        (void)close(runtime->host_timer_fd);
    runtime->host_fd = runtime->host_timer_fd = -1;
}

/* Readable at that time; at once when it has passed; never for AIO_FOREVER. */
static void host_set_timer(struct aio_runtime *runtime, int64_t at_ns)
{
    struct itimerspec spec = {0};
    if (at_ns != AIO_FOREVER) {
        int64_t at = at_ns > 0 ? at_ns : 1;
        spec.it_value = (struct timespec){at / 1000000000, at % 1000000000};
    }
    (void)timerfd_settime(runtime->host_timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

int aio_runtime_attach(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg)
{
    if (runtime->count != 1)
        return -EINVAL;
    if (aio__core_current != NULL)
        return -EBUSY;
    int rc = aio__runtime_prepare(runtime, entry, arg, false);
    if (rc < 0)
        return rc;
    struct aio__seat *seat = &runtime->seats[0];
    runtime->hosted = true;
    runtime->host_thread = pthread_self();
    rc = aio__seat_begin(seat, runtime);
    if (rc == 0) {
        aio__core_current = NULL;   /* until the next turn */
        host_set_timer(runtime, 0); /* the first task is ready */
    } else {
        host_close(runtime);
    }
    return rc;
}

int aio_runtime_fd(struct aio_runtime *runtime)
{
    if (!aio__runtime_ours(runtime))
        return -ESHUTDOWN;
    return runtime->host_fd >= 0 ? runtime->host_fd : -EINVAL;
}

/* While the runtime has work that no descriptor tells of, the timer does. */
static void host_rest(struct aio_runtime *runtime, struct aio__core *core)
{
    host_set_timer(runtime, aio__loop_quiet(core) ? aio__loop_sleep(core) : 0);
}

int aio_runtime_turn(struct aio_runtime *runtime)
{
    struct aio__seat *seat = &runtime->seats[0];
    struct aio__core *core = &seat->core;
    if (!aio__runtime_ours(runtime))
        return -ESHUTDOWN;
    if (!runtime->hosted)
        return -EINVAL;
    if (atomic_load(&runtime->stage) == AIO__RUNTIME_OVER)
        return 0;
    if (aio__core_current != NULL)
        return -EBUSY;
    AIO__REQUIRE(pthread_equal(runtime->host_thread, pthread_self()),
                 "aio_runtime_turn was called by another thread than aio_runtime_attach");
    aio__core_current = core;
    aio__loop_enter(core);
    if (!core->finished)
        host_rest(runtime, core);
    if (core->finished) {
        host_close(runtime);
        aio__seat_end(seat);
        return 0;
    }
    aio__core_current = NULL;
    return 1;
}

void aio__host_end(struct aio_runtime *runtime)
{
    AIO__REQUIRE(aio__core_current == NULL,
                 "aio_runtime_destroy of an attached runtime was called by a task of another one");
    struct pollfd ready = {.events = POLLIN};
    while (aio_runtime_turn(runtime) > 0) {
        ready.fd = runtime->host_fd;
        (void)poll(&ready, 1, -1);
    }
}
