/*
 * Asking name servers, by c-ares. Its sockets are opened and closed here, and watched by POLL ops:
 * one that c-ares closes while it is watched is closed when the op has ended. c-ares runs in the
 * task that waits for the answers, and nowhere else.
 *
 * A channel serves one lookup at a time, so that cancelling it cancels nothing else, and so that
 * each lookup has ports of its own, which are hard to guess. It keeps no socket between lookups.
 *
 * c-ares' memory is malloc's: ares_library_init_mem would change the allocator under another user
 * of c-ares in the process, whose blocks would then be freed by ours.
 */
#include "net/resolve.h"

#include "core/alloc.h"
#include "core/op_run.h"
#include "core/task.h"

#include <ares.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DNS_RESOLV_CONF "/etc/resolv.conf"
#define DNS_NS_PER_MS 1000000

/* Bytes of a message's header; and in its third, that it is an answer. */
enum { DNS_HEADER = 12, DNS_ANSWER = 0x80 };

/* Response codes of a server that cannot answer. */
enum { DNS_SERVFAIL = 2, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

struct dns_socket {
    struct aio__op op; /* POLL */
    struct aio__dns *dns;
    struct dns_socket *next;
    int fd;
    bool datagrams;
    bool closing;    /* once op has ended */
    uint32_t wanted; /* events, by c-ares */
    int32_t ready;   /* events that came, or -errno; 0: none */
};

struct aio__dns {
    ares_channel channel;
    struct aio__core *core;
    struct aio__lookup *lookup;
    struct dns_socket *sockets;
    struct aio__stamp configured; /* the version of resolv.conf that was read */
    bool own_servers;
    int error; /* of opening a socket or watching one */
    int rcode; /* of the last answer */
};

static pthread_once_t dns_once = PTHREAD_ONCE_INIT;
static int dns_library;

/* For good: nothing is kept that would have to be freed. */
static void dns_init_library(void)
{
    dns_library = ares_library_init(ARES_LIB_INIT_ALL);
}

static struct dns_socket *dns_find(struct aio__dns *dns, int fd)
{
    struct dns_socket *socket = dns->sockets;
    while (socket != NULL && socket->fd != fd)
        socket = socket->next;
    return socket;
}

static void dns_forget(struct dns_socket *socket)
{
    struct dns_socket **at = &socket->dns->sockets;
    struct aio__op forget = {.opcode = AIO__OP_FORGET, .fd = socket->fd};
    while (*at != socket)
        at = &(*at)->next;
    *at = socket->next;
    (void)aio__op_submit(socket->dns->core, &forget);
    (void)close(socket->fd); /* tidy: allow close: forgotten above */
    aio__free(socket);
}

static void dns_polled(struct dns_socket *socket)
{
    struct aio__dns *dns = socket->dns;
    socket->ready = socket->op.result;
    if (socket->closing)
        dns_forget(socket);
    aio__bell_ring(dns->lookup->bell);
}

static void dns_complete(struct aio__op *op)
{
    dns_polled(AIO__CONTAINER(op, struct dns_socket, op));
}

/* Watches the socket for what c-ares wants. A watch for less ends, and is made anew. */
static void dns_watch(struct dns_socket *socket)
{
    struct aio__op *op = &socket->op;
    if (socket->closing || socket->wanted == 0 || socket->ready != 0)
        return;
    if (op->state == AIO__OP_SUBMITTED) {
        if ((socket->wanted & ~op->poll.events) != 0)
            aio__op_cancel(socket->dns->core, op);
        return;
    }
    *op = (struct aio__op){.opcode = AIO__OP_POLL, .fd = socket->fd, .complete = dns_complete};
    op->poll.events = socket->wanted;
    if (aio__op_submit(socket->dns->core, op))
        dns_polled(socket);
}

/* What c-ares calls instead of the system; errno says what went wrong. */
static ares_socket_t dns_on_socket(int family, int type, int protocol, void *arg)
{
    struct aio__dns *dns = arg;
    struct dns_socket *made = aio__alloc_zero(sizeof *made);
    int fd = made != NULL ? socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol) : -1;
    if (fd < 0) {
        dns->error = made != NULL ? -errno : -ENOMEM;
        aio__free(made);
        return ARES_SOCKET_BAD;
    }
    made->dns = dns;
    made->fd = fd;
    made->datagrams = type == SOCK_DGRAM;
    made->next = dns->sockets;
    dns->sockets = made;
    return fd;
}

static int dns_on_close(ares_socket_t fd, void *arg)
{
    struct dns_socket *socket = dns_find(arg, fd);
    socket->closing = true;
    if (socket->op.state == AIO__OP_SUBMITTED)
        aio__op_cancel(socket->dns->core, &socket->op);
    else
        dns_forget(socket);
    return 0;
}

static int dns_on_connect(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t length,
                          void *arg)
{
    (void)arg;
    return connect(fd, address, length); /* tidy: allow connect: c-ares waits for it by POLL */
}

/* c-ares would take an empty datagram for the server's end, and a question that comes back for an
 * answer which says that there is nothing. */
static bool dns_is_answer(const unsigned char *bytes, ares_ssize_t length)
{
    return length >= DNS_HEADER && (bytes[2] & DNS_ANSWER) != 0;
}

static ares_ssize_t dns_on_receive(ares_socket_t fd, void *buffer, size_t size, int flags,
                                   struct sockaddr *from, ares_socklen_t *from_length, void *arg)
{
    struct aio__dns *dns = arg;
    ares_ssize_t length;
    bool datagrams = dns_find(dns, fd)->datagrams;
    do
        length = recvfrom(fd, buffer, size, flags, from, from_length);
    while (datagrams && length >= 0 && !dns_is_answer(buffer, length));
    if (datagrams && length > 0)
        dns->rcode = ((unsigned char *)buffer)[3] & 15;
    return length;
}

/* That nobody received a datagram is told to the next send, which has not happened then. To let it
 * pass would leave the first question without an end until its time is over: whoever receives is
 * told again. */
static ares_ssize_t dns_on_send(ares_socket_t fd, const struct iovec *vectors, int count, void *arg)
{
    (void)arg;
    const struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)vectors,
                                  .msg_iovlen = (size_t)count};
    ares_ssize_t length = sendmsg(fd, &header, MSG_NOSIGNAL);
    if (length < 0 && errno == ECONNREFUSED)
        length = sendmsg(fd, &header, MSG_NOSIGNAL);
    return length;
}

static const struct ares_socket_functions dns_functions = {
    dns_on_socket, dns_on_close, dns_on_connect, dns_on_receive, dns_on_send,
};

static void dns_on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_socket *socket = dns_find(arg, fd);
    socket->wanted = (readable ? (uint32_t)POLLIN : 0) | (writable ? (uint32_t)POLLOUT : 0);
}

/* c-ares takes any number for a port, and forgets what is above 16 bits of it. */
static bool dns_servers_valid(const char *servers)
{
    for (const char *at = servers; (at = strchr(at, ':')) != NULL; at++) {
        size_t digits = strspn(at + 1, "0123456789");
        char after = at[1 + digits];
        if (digits > 0 && (after == '\0' || after == ',') && strtoul(at + 1, NULL, 10) > UINT16_MAX)
            return false;
    }
    return true;
}

static int dns_open_channel(struct aio__dns *dns, const struct aio_resolve_options *options)
{
    char lookups[] = "b"; /* servers; the hosts file is not its business */
    struct ares_options settings = {
        .timeout = (int)((options->timeout_ns + DNS_NS_PER_MS - 1) / DNS_NS_PER_MS),
        .tries = (int)options->tries,
        .lookups = lookups,
        .sock_state_cb = dns_on_state,
        .sock_state_cb_data = dns,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (options->servers != NULL)
        mask |= ARES_OPT_DOMAINS; /* none */
    int status = dns_library;
    if (options->servers != NULL && !dns_servers_valid(options->servers))
        return -EINVAL;
    if (status == ARES_SUCCESS)
        status = ares_init_options(&dns->channel, &settings, mask);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    ares_set_socket_functions(dns->channel, &dns_functions, dns);
    if (options->servers != NULL)
        status = ares_set_servers_ports_csv(dns->channel, options->servers);
    if (status == ARES_SUCCESS)
        return 0;
    ares_destroy(dns->channel);
    return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

/* Without a descriptor c-ares finds neither its servers nor numbers that are hard to guess, and
 * does as if that were well. */
static int dns_probe(void)
{
    int fd = aio__file_open(DNS_RESOLV_CONF);
    if (fd >= 0)
        (void)close(fd); /* tidy: allow close: no op has used it */
    return fd >= 0 || fd == AIO__FILE_ABSENT ? 0 : fd;
}

int aio__dns_open(struct aio__dns **out, const struct aio_resolve_options *options)
{
    (void)pthread_once(&dns_once, dns_init_library);
    int rc = dns_probe();
    if (rc < 0)
        return rc;
    struct aio__dns *dns = aio__alloc_zero(sizeof *dns);
    if (dns == NULL)
        return -ENOMEM;
    dns->core = aio__core_current;
    dns->own_servers = options->servers != NULL;
    dns->configured = aio__stamp_read(DNS_RESOLV_CONF);
    rc = dns_open_channel(dns, options);
    if (rc == 0)
        *out = dns;
    else
        aio__free(dns);
    return rc;
}

void aio__dns_free(struct aio__dns *dns)
{
    ares_destroy(dns->channel);
    aio__free(dns);
}

bool aio__dns_stale(const struct aio__dns *dns)
{
    const struct aio__stamp now = aio__stamp_read(DNS_RESOLV_CONF);
    return !dns->own_servers && !aio__stamp_same(&now, &dns->configured);
}

/* c-ares says that a server could not be contacted also of one that refused to answer. */
static int dns_unanswered(const struct aio__dns *dns)
{
    bool refused =
        dns->rcode == DNS_SERVFAIL || dns->rcode == DNS_NOTIMP || dns->rcode == DNS_REFUSED;
    if (dns->error < 0)
        return dns->error;
    return refused ? -EREMOTEIO : -EHOSTDOWN;
}

static int dns_error(const struct aio__dns *dns, int status)
{
    static const int errors[] = {
        [ARES_SUCCESS] = -EBADMSG, /* with no address in it */
        [ARES_ENODATA] = -ENODATA,  [ARES_EFORMERR] = -EBADMSG,  [ARES_ESERVFAIL] = -EREMOTEIO,
        [ARES_ENOTFOUND] = -ENOENT, [ARES_ENOTIMP] = -EREMOTEIO, [ARES_EREFUSED] = -EREMOTEIO,
        [ARES_EBADNAME] = -EINVAL,  [ARES_EBADRESP] = -EBADMSG,  [ARES_ETIMEOUT] = -ETIMEDOUT,
        [ARES_ENOMEM] = -ENOMEM,
    };
    int count = (int)(sizeof errors / sizeof errors[0]);
    if (status >= 0 && status < count && errors[status] != 0)
        return errors[status];
    if (status == ARES_ECANCELLED && dns->error == 0)
        return -ECANCELED; /* by us, for the whole lookup */
    return dns_unanswered(dns);
}

/* Adds the addresses of a family. Returns the time in seconds for which all of it holds. */
static int dns_take(struct aio__answer *answer, const struct ares_addrinfo *info)
{
    int ttl = INT32_MAX;
    for (const struct ares_addrinfo_cname *at = info->cnames; at != NULL; at = at->next)
        ttl = at->ttl < ttl ? at->ttl : ttl;
    for (const struct ares_addrinfo_node *at = info->nodes; at != NULL; at = at->ai_next) {
        const void *address = at->ai_addr;
        if (at->ai_family != answer->family)
            continue;
        if (at->ai_family == AF_INET)
            aio__answer_add(answer, &((const struct sockaddr_in *)address)->sin_addr);
        else
            aio__answer_add(answer, &((const struct sockaddr_in6 *)address)->sin6_addr);
        ttl = at->ai_ttl < ttl ? at->ai_ttl : ttl;
    }
    return ttl > 0 ? ttl : 0;
}

static void dns_answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct aio__answer *answer = arg;
    int ttl = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS && info != NULL)
        ttl = dns_take(answer, info);
    ares_freeaddrinfo(info);
    int error = answer->count > 0 ? 0 : dns_error(answer->lookup->dns, status);
    aio__lookup_answered(answer, error, AIO_SEC(ttl));
}

void aio__dns_ask(struct aio__dns *dns, struct aio__lookup *lookup)
{
    dns->lookup = lookup;
    dns->error = dns->rcode = 0;
    for (int i = 0; i < 2; i++) {
        struct aio__answer *answer = &lookup->answers[i];
        const struct ares_addrinfo_hints hints = {
            .ai_flags = ARES_AI_NOSORT, .ai_family = answer->family, .ai_socktype = SOCK_STREAM};
        if (answer->pending)
            ares_getaddrinfo(dns->channel, lookup->host, NULL, &hints, dns_answered, answer);
    }
}

static struct dns_socket *dns_find_ready(struct aio__dns *dns)
{
    struct dns_socket *socket = dns->sockets;
    while (socket != NULL && (socket->closing || socket->ready == 0))
        socket = socket->next;
    return socket;
}

static void dns_serve(struct aio__dns *dns, struct dns_socket *socket)
{
    int32_t ready = socket->ready;
    int fd = socket->fd;
    uint32_t events = ready < 0 ? 0 : (uint32_t)ready & socket->wanted;
    socket->ready = 0;
    if (ready < 0 && ready != -ECANCELED) {
        dns->error = ready;
        ares_cancel(dns->channel);
        return;
    }
    if (ready > 0 && events == 0)
        events = socket->wanted; /* POLLERR, POLLHUP: trying tells */
    ares_process_fd(dns->channel, (events & POLLIN) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & POLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
}

void aio__dns_turn(struct aio__dns *dns)
{
    struct dns_socket *socket;
    while ((socket = dns_find_ready(dns)) != NULL)
        dns_serve(dns, socket);
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what takes too long */
    for (socket = dns->sockets; socket != NULL; socket = socket->next)
        dns_watch(socket);
}

int64_t aio__dns_next(struct aio__dns *dns)
{
    struct timeval buffer;
    const struct timeval *left = ares_timeout(dns->channel, NULL, &buffer);
    if (left == NULL)
        return AIO_FOREVER;
    /* It rounds down. */
    return aio__time_after(AIO_SEC(left->tv_sec) + AIO_US(left->tv_usec) + DNS_NS_PER_MS);
}

void aio__dns_cancel(struct aio__dns *dns)
{
    ares_cancel(dns->channel);
}

bool aio__dns_quiet(const struct aio__dns *dns)
{
    return dns->sockets == NULL;
}
