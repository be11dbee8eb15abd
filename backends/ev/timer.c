/*
 * Deadlines to the nanosecond, and ops that are tried again later.
 *
 * libev's own timers round to milliseconds and its waits are never shorter than one, so a timerfd
 * ends the wait. Setting it is a system call, and deadlines mostly move away without ever being
 * met; therefore it stays set while the new deadline is later, fires once for nothing, and is set
 * again by the poll after that.
 */
#include <aio/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "backends/ev/private.h"
#include "core/log.h"

#define TIMER_LATER_SECONDS 0.001
#define TIMER_LATER_NS 1000000

static void timer_set(struct aio__ev_backend *self, int64_t deadline_ns)
{
    struct itimerspec setting = {
        .it_value = {.tv_sec = deadline_ns / AIO_SEC(1), .tv_nsec = deadline_ns % AIO_SEC(1)},
    };
    int result = timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &setting, NULL);

    AIO__REQUIRE(result == 0, "timerfd_settime refuses %lld", (long long)deadline_ns);
    self->armed = deadline_ns;
    self->expired = false; /* setting it also takes back an expiry that was not read */
}

void aio__ev_deadline_set(struct aio__ev_backend *self, int64_t deadline_ns)
{
    uint64_t expiries;

    if (deadline_ns < self->armed) {
        timer_set(self, deadline_ns);
    } else if (self->expired) {
        /* Nothing to wait for any more: readable for ever, it would keep every wait from waiting.
         */
        self->expired = read(self->timer_fd, &expiries, sizeof expiries) < 0;
    }
}

void aio__ev_deadline_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aio__ev_backend *self = watcher->data;

    (void)loop;
    (void)events;
    self->expired = true;
    self->armed = AIO_FOREVER;
}

void aio__ev_later_add(struct aio__ev_backend *self, struct aio__op *op)
{
    aio__op_list_append(&self->later, op);
    if (!ev_is_active(&self->later_watcher)) {
        ev_timer_set(&self->later_watcher, TIMER_LATER_SECONDS, TIMER_LATER_SECONDS);
        ev_timer_start(self->loop, &self->later_watcher);
    }
}

void aio__ev_later_show(struct aio__ev_backend *self)
{
    bool none = aio__op_list_empty(&self->later);

    aio__ev_deadline_set(self, none ? AIO_FOREVER : aio_time_now() + TIMER_LATER_NS);
}

void aio__ev_later_event(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct aio__ev_backend *self = watcher->data;
    struct aio__op_list tried = self->later;
    struct aio__op *op;

    (void)events;
    self->later.head = NULL;
    while ((op = aio__op_list_pop(&tried)) != NULL) {
        struct aio__ev_fd *entry = aio__ev_fd_find(self, op->fd);
        int32_t result = aio__ev_rows[op->opcode].perform(self, entry, op);

        if (result == AIO__EV_WAIT)
            op->scratch = 1; /* fruitless events are counted anew; a connection is under way */
        self->waiting--;
        aio__ev_settle(self, entry, op, result);
    }
    if (aio__op_list_empty(&self->later))
        ev_timer_stop(loop, watcher);
}
