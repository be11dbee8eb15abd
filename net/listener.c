/*
 * Listeners. One stream op brings accepted descriptors; the call inside the gate takes them, the
 * others wait their turn. A call that is cancelled leaves the op armed, so no connection is lost:
 * the next call finds it delivered.
 */
#include "net/private.h"
#include "net/shard.h"

#include "core/alloc.h"

#include <netinet/tcp.h>
#include <unistd.h>

/* Accepted connections kept for callers that have not come yet; more stay in the kernel's backlog.
 */
#define LISTENER_DELIVERIES 64u
#define LISTENER_BACKLOG_MAX 65535
/* How long to wait for descriptors or memory before trying again. */
#define LISTENER_BACKOFF_MIN_NS AIO_MS(5)
#define LISTENER_BACKOFF_MAX_NS AIO_MS(200)

struct aio_listener {
    struct aio__handle handle; /* first member */
    struct aio__gate gate;
    struct aio__op op;
    struct aio__deliveries deliveries;
    struct aio__wait *waiter; /* the call inside the gate, while it waits for op */
    bool unheeded;            /* op is in flight, and nobody waits for it */
    int32_t error;            /* what op ended with, until a call has reported it */
    uint32_t burst;           /* connections that one op may bring before it can be disarmed */
    int type;                 /* of its sockets: SOCK_STREAM or SOCK_SEQPACKET */
    struct aio__path *path;   /* the file that binding made, or NULL */
    int64_t backoff_ns;
    struct aio__shard *shard; /* NULL: not shared with other cores */
};

static void listener_close_handle(struct aio__handle *handle)
{
    aio_listener_close((struct aio_listener *)(void *)handle);
}

static const struct aio__handle_kind listener_kind = {"listener", listener_close_handle};

/* What their ops have brought by the time they end is for the next calls. */
static void listener_disarm_all(struct aio__core *core)
{
    for (struct aio__handle *handle = core->handles; handle != NULL; handle = handle->next) {
        struct aio_listener *listener = (struct aio_listener *)(void *)handle;
        if (handle->kind == &listener_kind && listener->unheeded)
            aio__op_cancel(core, &listener->op);
    }
}

/* A connection that nobody waits for would wake nobody: it keeps no core from being idle. */
void aio__listener_heed(struct aio_listener *listener)
{
    bool unheeded = listener->op.state == AIO__OP_SUBMITTED && listener->waiter == NULL &&
                    listener->handle.watches == NULL;
    if (unheeded != listener->unheeded)
        listener->handle.core->ops_unheeded += unheeded ? 1 : UINT32_MAX;
    listener->unheeded = unheeded;
}

static void listener_op_done(struct aio__op *op)
{
    struct aio_listener *listener = AIO__CONTAINER(op, struct aio_listener, op);
    aio__listener_heed(listener);
    if (op->result < 0 && op->result != -ECANCELED) /* we asked for that */
        listener->error = op->result;
    struct aio__wait *waiter = listener->waiter;
    listener->waiter = NULL;
    if (waiter != NULL)
        aio__wake(waiter, 0);
    aio__watch_notify(&listener->handle, 0);
}

struct listener_wait {
    struct aio_listener *listener;
    struct aio__wait wait;
};

/* The op stays armed: what it brings is for the next call. */
static void listener_abort(struct aio__wait *wait)
{
    struct aio_listener *listener = AIO__CONTAINER(wait, struct listener_wait, wait)->listener;
    listener->waiter = NULL;
    aio__listener_heed(listener);
    aio__wake(wait, -ECANCELED);
}

int aio__listener_ready(const struct aio_listener *listener)
{
    if (listener->handle.closing)
        return -EBADF;
    return listener->deliveries.count > 0 || listener->error < 0 ? 0 : -EAGAIN;
}

/* Returns true when the op is through already. */
static bool listener_submit(struct aio_listener *listener)
{
    if (listener->op.state != AIO__OP_IDLE || !aio__op_submit(listener->handle.core, &listener->op))
        return false;
    listener_op_done(&listener->op);
    return true;
}

void aio__listener_arm(struct aio_listener *listener)
{
    (void)listener_submit(listener);
    aio__listener_heed(listener);
}

void aio__listener_room(struct aio_listener *listener, uint32_t room)
{
    bool ample = room > listener->burst && room - listener->burst > listener->deliveries.count;
    listener->deliveries.limit = ample ? LISTENER_DELIVERIES : 1;
}

static int listener_await(struct aio_listener *listener)
{
    if (listener_submit(listener)) {
        aio__charge(listener->handle.core);
        return 0;
    }
    struct listener_wait frame = {listener, {.abort = listener_abort, .what = "accept"}};
    listener->waiter = &frame.wait;
    aio__listener_heed(listener);
    listener->gate.inside = &frame.wait;
    int rc = aio__park(listener->handle.core, &frame.wait);
    return rc < 0 ? aio__wait_reason(&frame.wait) : 0;
}

static bool listener_short_of(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static int listener_back_off(struct aio_listener *listener, int error)
{
    if (listener->backoff_ns == 0) {
        aio__log_warn("accept: %s: waiting until there is room", aio_error_name(error));
        listener->backoff_ns = LISTENER_BACKOFF_MIN_NS;
    }
    struct aio__sleep sleep = {.wait = {.what = "accept backoff"}};
    listener->gate.inside = &sleep.wait;
    int64_t until_ns = aio_time_now() + listener->backoff_ns;
    listener->backoff_ns *= 2;
    if (listener->backoff_ns > LISTENER_BACKOFF_MAX_NS)
        listener->backoff_ns = LISTENER_BACKOFF_MAX_NS;
    return aio__sleep_until(listener->handle.core, &sleep, until_ns);
}

/* Inside the gate: one wait for a delivery. A close or a cancellation while we were awake already
 * has interrupted nothing, and nobody would do so again: look before each wait. */
static int listener_step(struct aio_listener *listener)
{
    int error = listener->error;
    int rc = aio__interrupted(listener->handle.core);
    if (rc < 0)
        return rc;
    if (listener->handle.closing)
        return -EBADF;
    listener->error = 0;
    if (listener_short_of(error))
        rc = listener_back_off(listener, error);
    else if (error < 0)
        rc = error;
    else
        rc = listener_await(listener);
    listener->gate.inside = NULL; /* its frame is gone */
    return rc;
}

/* Inside the gate: waits for a delivery. Returns the descriptor or -errno. */
static int listener_take(struct aio_listener *listener)
{
    int fd;
    while ((fd = aio__deliveries_pop(&listener->deliveries)) < 0) {
        int rc = listener_step(listener);
        if (rc < 0)
            return rc;
    }
    listener->backoff_ns = 0;
    return fd;
}

/* Ends a connection that nobody will accept: its client gets a reset, as from the backlog. */
static void listener_refuse(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(fd); /* tidy: allow close: no op has used it */
}

int aio__listener_accept(struct aio_listener *listener, int type)
{
    if (listener->type != type)
        return -EPROTOTYPE;
    int rc = aio__gate_enter(&listener->handle, &listener->gate);
    if (rc < 0)
        return rc;
    int fd = listener_take(listener);
    rc = (int)aio__gate_leave(&listener->handle, &listener->gate, fd);
    if (rc < 0 && fd >= 0)
        listener_refuse(fd); /* the listener was closed meanwhile */
    return rc;
}

int aio_listener_accept(struct aio_listener *listener, struct aio_stream **out)
{
    struct aio__core *core = aio__handle_core(&listener->handle, __func__);
    struct aio_stream *stream =
        aio__stream_alloc(); /* first, so that no connection is taken in vain */
    int fd = stream != NULL ? aio__listener_accept(listener, SOCK_STREAM) : -ENOMEM;
    if (fd < 0) {
        aio__free(stream);
        return fd;
    }
    aio__stream_open(stream, core, fd);
    *out = stream;
    return 0;
}

/* Ends the stream op: what it still brings is refused. The wait cannot be interrupted. */
static void listener_stop(struct aio_listener *listener)
{
    struct aio__core *core = listener->handle.core;
    bool ended = false;
    while (!ended) {
        int fd;
        while ((fd = aio__deliveries_pop(&listener->deliveries)) >= 0)
            listener_refuse(fd);
        if (listener->op.state != AIO__OP_IDLE || !aio__op_submit(core, &listener->op)) {
            aio__op_cancel(core, &listener->op);
            struct listener_wait frame = {listener, {.abort = NULL, .what = "close"}};
            listener->waiter = &frame.wait;
            aio__listener_heed(listener);
            (void)aio__park(core, &frame.wait);
        }
        ended = listener->op.result < 0 && listener->deliveries.count == 0;
    }
}

void aio_listener_close(struct aio_listener *listener)
{
    if (listener == NULL)
        return;
    (void)aio__handle_core(&listener->handle, __func__);
    struct aio__gate *const gates[] = {&listener->gate};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    struct aio__core *core = listener->handle.core;
    aio__handle_expel(&listener->handle, gates, 1);
    listener_stop(listener);
    aio__path_remove(listener->path); /* while the socket still holds the file's number */
    aio__handle_finish(&listener->handle);
    if (listener->shard != NULL)
        aio__shard_leave(core, listener->shard);
    aio_shield_leave(&shield);
    aio__deliveries_free(&listener->deliveries);
    aio__free(listener);
}

int aio_listener_address(struct aio_listener *listener, struct aio_address *out)
{
    (void)aio__handle_core(&listener->handle, __func__);
    return aio__socket_address(listener->handle.fd, getsockname, out);
}

static int listener_set_options(int fd, int family, const struct aio_listen_options *options)
{
    int rc = aio__socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && (options->reuseport || options->sharded))
        rc = aio__socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && family == AF_INET6)
        rc = aio__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only);
    if (rc == 0 && options->nodelay) /* accepted sockets inherit it */
        rc = aio__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return rc;
}

/* Returns a bound socket or -errno. */
static int listener_socket(const struct aio_address *address, const void *settled)
{
    const struct aio_listen_options *options = settled;
    int family = address->any.sa_family;
    int fd = aio__socket_open(family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc = listener_set_options(fd, family, options);
    if (rc == 0)
        rc = aio__socket_bind(fd, address);
    if (rc == 0)
        return fd;
    (void)close(fd); /* tidy: allow close: no op has used it */
    return rc;
}

/* Room beyond what is asked for: the kernel may have accepted a whole backlog before the op is
 * disarmed. */
static struct aio_listener *listener_alloc(uint32_t backlog)
{
    struct aio_listener *listener = aio__alloc_zero(sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->deliveries.limit = LISTENER_DELIVERIES;
    listener->burst = LISTENER_DELIVERIES + backlog;
    if (aio__deliveries_reserve(&listener->deliveries, listener->burst) == 0)
        return listener;
    aio__free(listener);
    return NULL;
}

static void listener_open(struct aio_listener *listener, struct aio__core *core, int fd)
{
    aio__handle_open(&listener->handle, core, fd, &listener_kind);
    listener->op = (struct aio__op){.opcode = AIO__OP_ACCEPT, .fd = fd};
    listener->op.complete = listener_op_done;
    listener->op.accept.deliveries = &listener->deliveries;
    core->disarm = listener_disarm_all;
}

int aio__listener_create(struct aio_listener **out, struct aio__core *core,
                         const struct aio__listener_plan *plan)
{
    int backlog = plan->backlog < LISTENER_BACKLOG_MAX ? plan->backlog : LISTENER_BACKLOG_MAX;
    struct aio_listener *listener = listener_alloc((uint32_t)backlog);
    int rc = listener == NULL ? -ENOMEM : listen(plan->fd, backlog) < 0 ? -errno : 0;
    if (rc < 0) {
        if (listener != NULL)
            aio__deliveries_free(&listener->deliveries);
        aio__free(listener);
        aio__path_remove(plan->path);
        if (plan->shard != NULL)
            aio__shard_leave(core, plan->shard);
        (void)close(plan->fd); /* tidy: allow close: no op has used it */
        return rc;
    }
    listener->type = plan->type;
    listener->path = plan->path;
    listener->shard = plan->shard;
    listener_open(listener, core, plan->fd);
    *out = listener;
    return 0;
}

int aio_tcp_listen(struct aio_listener **out, const char *address,
                   const struct aio_listen_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_listen_options settled = options != NULL ? *options : AIO_LISTEN_OPTIONS;
    struct aio_address parsed;
    if (settled.size != sizeof settled || settled.backlog < 0)
        return -EINVAL;
    int rc = aio_address_parse(&parsed, address);
    if (rc < 0)
        return rc;
    struct aio__listener_plan plan = {.type = SOCK_STREAM, .backlog = settled.backlog};
    plan.fd = settled.sharded
                  ? aio__shard_join(core, &parsed, listener_socket, &settled, &plan.shard)
                  : listener_socket(&parsed, &settled);
    return plan.fd < 0 ? plan.fd : aio__listener_create(out, core, &plan);
}
