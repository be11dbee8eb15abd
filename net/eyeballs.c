/*
 * Happy Eyeballs, RFC 8305: the addresses of both families are asked for at once; IPv6 has 50 ms
 * to be known after IPv4 is; they are tried in turn, a new one when the last has failed or 250 ms
 * have passed; the first that connects wins.
 *
 * All of it happens in the calling task, which waits for a bell. The state is one block of memory
 * and not in the task's frame, which may be small. Nobody leaves before every attempt has ended.
 */
#include "net/eyeballs.h"

#include "net/private.h"

#include "core/alloc.h"

#include <netinet/tcp.h>

#define EYEBALLS_RESOLUTION_NS AIO_MS(50)
#define EYEBALLS_ATTEMPT_NS AIO_MS(250)
/* Attempts in progress at once. */
#define EYEBALLS_ATTEMPTS 8

struct eyeballs;

struct attempt {
    struct aio__op op; /* CONNECT */
    struct eyeballs *owner;
    struct aio_address address;
    int fd; /* -1: not in use */
    bool ended;
};

struct eyeballs {
    struct aio__core *core;
    struct aio__bell bell;
    struct aio__lookup lookup;
    in_port_t port;
    uint32_t tried[2]; /* addresses of each family */
    int last;          /* the family tried last */
    int64_t v4_ns;     /* from when on IPv4 may be tried without IPv6; 0: not known yet */
    int64_t next_ns;   /* of the next attempt */
    int error;         /* the most telling so far */
    struct attempt attempts[EYEBALLS_ATTEMPTS];
};

/* How much an error tells: that there is no way there is known of more networks than one is on. */
static int eyeballs_rank(int error)
{
    switch (error) {
    case 0:
        return 0;
    case -ENETUNREACH:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
    case -EPERM:
    case -EACCES:
        return 1;
    case -EHOSTUNREACH:
        return 2;
    default:
        return 3;
    }
}

static void eyeballs_note(struct eyeballs *eyes, int error)
{
    if (eyeballs_rank(error) >= eyeballs_rank(eyes->error))
        eyes->error = error;
}

static void attempt_complete(struct aio__op *op)
{
    struct attempt *attempt = AIO__CONTAINER(op, struct attempt, op);
    attempt->ended = true;
    aio__bell_ring(&attempt->owner->bell);
}

static void attempt_drop(struct attempt *attempt)
{
    aio__socket_drop(attempt->owner->core, attempt->fd);
    attempt->fd = -1;
}

/* Returns 0 when it is under way or has ended at once; -errno when there was no socket for it. */
static int attempt_start(struct eyeballs *eyes, struct attempt *attempt)
{
    int fd = aio__socket_open(attempt->address.any.sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    attempt->fd = fd;
    attempt->owner = eyes;
    attempt->op =
        (struct aio__op){.opcode = AIO__OP_CONNECT, .fd = fd, .complete = attempt_complete};
    attempt->op.connect.address = &attempt->address.any;
    attempt->op.connect.length = attempt->address.length;
    int rc = aio__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc < 0)
        attempt_drop(attempt);
    else
        attempt->ended = aio__op_submit(eyes->core, &attempt->op);
    return rc;
}

static struct attempt *eyeballs_slot(struct eyeballs *eyes)
{
    for (int i = 0; i < EYEBALLS_ATTEMPTS; i++)
        if (eyes->attempts[i].fd < 0)
            return &eyes->attempts[i];
    return NULL;
}

static bool eyeballs_has(const struct eyeballs *eyes, int family)
{
    return eyes->tried[family] < eyes->lookup.answers[family].count;
}

/* The family whose turn it is; -1: nothing is left to try, or IPv4 has to wait. */
static int eyeballs_family(struct eyeballs *eyes)
{
    int family = eyes->last == AIO__V6 ? AIO__V4 : AIO__V6;
    if (!eyeballs_has(eyes, family))
        family = 1 - family;
    if (!eyeballs_has(eyes, family))
        return -1;
    if (family == AIO__V6 || !eyes->lookup.answers[AIO__V6].pending)
        return family;
    if (eyes->v4_ns == 0)
        eyes->v4_ns = eyes->core->now_ns + EYEBALLS_RESOLUTION_NS;
    return eyes->core->now_ns >= eyes->v4_ns ? family : -1;
}

/* When something can be tried next, unless the bell rings before. */
static int64_t eyeballs_next(struct eyeballs *eyes)
{
    if (eyeballs_slot(eyes) == NULL)
        return AIO_FOREVER;
    if (eyeballs_has(eyes, AIO__V6) || !eyes->lookup.answers[AIO__V6].pending)
        return eyeballs_family(eyes) >= 0 ? eyes->next_ns : AIO_FOREVER;
    if (!eyeballs_has(eyes, AIO__V4))
        return AIO_FOREVER;
    return eyes->v4_ns > eyes->next_ns ? eyes->v4_ns : eyes->next_ns;
}

/* Starts what may be started now. */
static void eyeballs_start(struct eyeballs *eyes)
{
    struct attempt *slot;
    int family;
    while (eyes->next_ns <= eyes->core->now_ns && (slot = eyeballs_slot(eyes)) != NULL &&
           (family = eyeballs_family(eyes)) >= 0) {
        slot->address =
            aio__answer_address(&eyes->lookup.answers[family], eyes->tried[family]++, eyes->port);
        eyes->last = family;
        int rc = attempt_start(eyes, slot);
        if (rc < 0)
            eyeballs_note(eyes, rc);
        else
            eyes->next_ns = eyes->core->now_ns + EYEBALLS_ATTEMPT_NS;
        if (rc == 0 && slot->ended)
            aio__bell_ring(&eyes->bell);
    }
}

/* Clears away attempts that have failed. Returns the one that has connected, or NULL. */
static struct attempt *eyeballs_collect(struct eyeballs *eyes, int *flying)
{
    *flying = 0;
    for (int i = 0; i < EYEBALLS_ATTEMPTS; i++) {
        struct attempt *attempt = &eyes->attempts[i];
        if (attempt->fd < 0)
            continue;
        if (!attempt->ended) {
            (*flying)++;
            continue;
        }
        if (attempt->op.result == 0)
            return attempt;
        eyeballs_note(eyes, attempt->op.result);
        attempt_drop(attempt);
        eyes->next_ns = 0;
    }
    return NULL;
}

/* Returns 0 when one has connected or all have failed; why it was interrupted. */
static int eyeballs_run(struct eyeballs *eyes)
{
    for (;;) {
        int flying;
        int64_t lookup_ns = aio__lookup_turn(&eyes->lookup);
        if (eyeballs_collect(eyes, &flying) != NULL)
            return 0;
        eyeballs_start(eyes);
        int64_t next_ns = eyeballs_next(eyes);
        if (eyeballs_collect(eyes, &flying) != NULL)
            return 0;
        if (flying == 0 && next_ns == AIO_FOREVER && !aio__lookup_pending(&eyes->lookup))
            return 0;
        int rc = aio__bell_wait(&eyes->bell, next_ns < lookup_ns ? next_ns : lookup_ns);
        if (rc < 0)
            return rc;
    }
}

/* Waits until every attempt has ended. Returns the descriptor of one that has connected, or -1; the
 * others are closed. */
static int eyeballs_end(struct eyeballs *eyes)
{
    struct aio_shield shield;
    int winner = -1;
    aio_shield_enter(&shield);
    for (int i = 0; i < EYEBALLS_ATTEMPTS; i++) {
        struct attempt *attempt = &eyes->attempts[i];
        if (attempt->fd >= 0 && !attempt->ended)
            aio__op_cancel(eyes->core, &attempt->op);
    }
    for (int i = 0; i < EYEBALLS_ATTEMPTS; i++) {
        struct attempt *attempt = &eyes->attempts[i];
        if (attempt->fd < 0)
            continue;
        while (!attempt->ended)
            (void)aio__bell_wait(&eyes->bell, AIO_FOREVER);
        if (attempt->op.result == 0 && winner < 0)
            winner = attempt->fd;
        else
            attempt_drop(attempt);
    }
    aio_shield_leave(&shield);
    return winner;
}

/* The winner is the first that was seen to connect, also when several have by now. */
static int eyeballs_finish(struct eyeballs *eyes, int rc)
{
    int fd = eyeballs_end(eyes);
    aio__lookup_end(&eyes->lookup);
    if (fd >= 0)
        return fd;
    if (rc < 0)
        return rc;
    return eyes->error != 0 ? eyes->error : aio__lookup_error(&eyes->lookup);
}

int aio__eyeballs_connect(struct aio__core *core, const struct aio__name *name)
{
    struct eyeballs *eyes = aio__alloc_zero(sizeof *eyes);
    if (eyes == NULL)
        return -ENOMEM;
    eyes->core = core;
    eyes->port = name->port;
    eyes->last = AIO__V4;
    for (int i = 0; i < EYEBALLS_ATTEMPTS; i++)
        eyes->attempts[i].fd = -1;
    aio__bell_init(&eyes->bell, core, "connect");
    int rc = aio__lookup_begin(&eyes->lookup, &eyes->bell, name->host, AIO_RESOLVE_ANY);
    if (rc == 0)
        rc = eyeballs_finish(eyes, eyeballs_run(eyes));
    aio__free(eyes);
    return rc;
}
