/*
 * An operation: data in the waiting task's frame that goes down to a backend and comes back up on
 * its `done` list. One cache line; submitting allocates nothing.
 *
 * State       owner      meaning
 * IDLE        core       not submitted, or taken off `done`
 * SUBMITTED   backend    between submit() and the moment the backend puts it on `done`
 * DONE        core       on `done`, or about to be looked at by core
 */
#ifndef AIO_CORE_OP_H
#define AIO_CORE_OP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* One row per opcode: X(NAME, name, what it is) */
#define AIO__OPCODES(X)                                                                            \
    X(NOP, nop, "completes at once with 0")                                                        \
    X(RECV, recv, "recv(2) of a socket")                                                           \
    X(SEND, send, "send(2) of a socket, never SIGPIPE")                                            \
    X(SEND_ZC, send_zc, "a SEND that may use the buffer in place: done when it is free again")     \
    X(RECVMSG, recvmsg, "recvmsg(2) of a socket")                                                  \
    X(SENDMSG, sendmsg, "sendmsg(2) of a socket, never SIGPIPE")                                   \
    X(RECVMMSG, recvmmsg, "recvmmsg(2): waits for one message, takes what is there; counts them")  \
    X(SENDMMSG, sendmmsg, "sendmmsg(2): waits until one message is taken; counts them")            \
    X(ACCEPT, accept, "stream op: accepted descriptors, see struct aio__deliveries")               \
    X(RENT, rent, "stream op: bytes or packets in buffers of the pool, see struct aio__feed")      \
    X(CONNECT, connect, "connect(2)")                                                              \
    X(READ, read, "read(2), or pread(2) when offset >= 0, of anything")                            \
    X(WRITE, write, "write(2), or pwrite(2) when offset >= 0, of anything")                        \
    X(READV, readv, "preadv2(2); at the cursor when offset is -1")                                 \
    X(WRITEV, writev, "pwritev2(2); at the cursor when offset is -1")                              \
    X(OPEN, open, "openat2(2), where fd is the folder; never waits for a peer if O_NONBLOCK")      \
    X(FSYNC, fsync, "fsync(2) or fdatasync(2)")                                                    \
    X(WRITE_SYNC, write_sync, "pwrite(2), and when that wrote all, fdatasync(2)")                  \
    X(SPLICE_IN, splice_in, "splice(2) of a stream socket or pipe into a pipe that has room")      \
    X(SPLICE_OUT, splice_out, "splice(2) of a pipe that holds bytes into either, see held.h")      \
    X(POLL, poll, "poll(2) for one descriptor; the result is the ready events")                    \
    X(PIN, pin,                                                                                    \
      "memory in which files will be read and written: 1 if that makes it faster; instant")        \
    X(UNPIN, unpin, "such memory is about to be freed; instant")                                   \
    X(FORGET, forget, "the descriptor is about to be closed: drop what is kept for it; instant")

enum aio__opcode {
#define AIO__OPCODE_ENUM(upper, lower, text) AIO__OP_##upper,
    AIO__OPCODES(AIO__OPCODE_ENUM)
#undef AIO__OPCODE_ENUM
        AIO__OP_COUNT
};

enum aio__op_state {
    AIO__OP_IDLE,
    AIO__OP_SUBMITTED,
    AIO__OP_DONE,
};

/*
 * The bounded queue of a stream op: descriptors that were accepted and not yet taken. The backend
 * pushes, core pops; both on the core's thread. Once `count` reaches `limit` the backend stops
 * accepting; what the kernel has accepted by then is still pushed, the array grows for it. An op
 * that goes to the kernel with a limit of 1 accepts one, exactly.
 */
struct aio__deliveries {
    int32_t *items;
    uint32_t head;
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t limit;
};

struct aio__feed;
struct open_how;

/* How RENT ends at the end of the stream: no receive fails with it. */
#define AIO__STREAM_END (-ENODATA)

struct aio__op {
    uint8_t opcode;
    uint8_t state;
    uint16_t flags; /* the backend's own; at the first time those of ASKED that core sets */
    int32_t fd;
    int32_t result;                       /* valid once DONE: >= 0 or -errno */
    uint32_t scratch;                     /* the backend's own */
    struct aio__op *link;                 /* of whichever list the op is on */
    void (*complete)(struct aio__op *op); /* called by core when it takes the op off `done` */
    union {
        struct {
            void *buffer;
            size_t length;
            int32_t flags; /* MSG_* */
        } transfer;        /* RECV SEND SEND_ZC; only RECV writes to buffer */
        struct {
            void *buffer;
            size_t length;
            int64_t offset; /* -1: the file's cursor, or no cursor at all */
        } file;             /* READ WRITE; PIN UNPIN but for offset */
        struct {
            const struct iovec *vectors;
            uint32_t count;
            int32_t flags; /* RWF_* */
            int64_t offset;
        } vectored; /* READV WRITEV */
        struct {
            const char *path;
            const struct open_how *how;
        } open; /* -EAGAIN: somebody has a lease on the file, see fcntl(2) */
        struct {
            bool data; /* and of the rest only what reading it back needs */
        } sync;        /* FSYNC */
        struct {
            void *buffer;
            uint32_t length;
            int32_t synced; /* -ECANCELED; once DONE what the sync said, if there was one */
            int64_t offset; /* >= 0 */
        } write_sync;       /* WRITE_SYNC; the result is that of the write */
        struct {
            struct msghdr *header;
            int32_t flags; /* MSG_* */
        } message;         /* RECVMSG SENDMSG */
        struct {
            struct mmsghdr *headers;
            uint32_t count;
            int32_t flags; /* MSG_* */
            bool drained;  /* a try now would be in vain: wait for readiness first */
        } batch;           /* RECVMMSG SENDMMSG */
        struct {
            size_t length;
            int32_t pipe; /* its end; fd is what is waited for: a socket must not block */
        } splice;         /* SPLICE_IN SPLICE_OUT */
        struct {
            struct aio__deliveries *deliveries;
        } accept;
        struct {
            struct aio__feed *feed;
            const struct msghdr *shape; /* NULL: bytes; else packets, see core/packet.h */
        } rent;
        struct {
            const struct sockaddr *address;
            socklen_t length;
        } connect;
        struct {
            uint32_t events; /* POLLIN and so on, of poll(2) */
        } poll;
    };
    void *backend_link; /* the backend's own */
};

_Static_assert(sizeof(struct aio__op) == 64, "an op is one cache line");

/* In flags, of a SEND or SENDMSG: its end may be told late, see backend.h. */
#define AIO__OP_LAZY ((uint16_t)(1u << 15))
/* Of a READ: the descriptor is not that of a handle. Nothing is kept of it. */
#define AIO__OP_BORROWED ((uint16_t)(1u << 13))
#define AIO__OP_ASKED ((uint16_t)(AIO__OP_LAZY | AIO__OP_BORROWED))

/* Stream ops stay armed across completions, see backend.h. */
static inline bool aio__op_is_stream(const struct aio__op *op)
{
    return op->opcode == AIO__OP_ACCEPT || op->opcode == AIO__OP_RENT;
}

/* Done when submit returns, whatever else is under way. */
static inline bool aio__op_is_instant(const struct aio__op *op)
{
    return op->opcode >= AIO__OP_PIN; /* UNPIN, FORGET */
}

/*
 * In the flags of every SEND and SENDMSG of a datagram. The kernel's own retry on a ring goes on
 * where the failed try left its vectors: it may send half a datagram, or an empty one (seen on
 * 6.18: to a full Unix receiver). With this flag the ring answers EAGAIN instead, and the backend
 * starts afresh.
 */
#define AIO__SEND_WHOLE MSG_DONTWAIT

/* A singly linked FIFO of ops. An op is on one list at a time. */
struct aio__op_list {
    struct aio__op *head;
    struct aio__op *tail;
};

static inline bool aio__op_list_empty(const struct aio__op_list *list)
{
    return list->head == NULL;
}

static inline void aio__op_list_append(struct aio__op_list *list, struct aio__op *op)
{
    op->link = NULL;
    if (list->head == NULL)
        list->head = op;
    else
        list->tail->link = op;
    list->tail = op;
}

static inline struct aio__op *aio__op_list_pop(struct aio__op_list *list)
{
    struct aio__op *op = list->head;
    if (op != NULL)
        list->head = op->link;
    return op;
}

/* Takes op off the list, wherever it stands: O(n). Returns false when it is not there. */
bool aio__op_list_remove(struct aio__op_list *list, struct aio__op *op);

/*
 * Makes room for count descriptors, so that pushing them cannot fail. Returns 0; -ENOMEM.
 */
int aio__deliveries_reserve(struct aio__deliveries *deliveries, uint32_t count);

/*
 * Puts a descriptor into a stream op's deliveries. Returns 0; -ENOMEM when the array cannot grow:
 * the descriptor is still the caller's.
 */
int aio__deliveries_push(struct aio__deliveries *deliveries, int fd);

/* Takes the oldest descriptor; -1 when there is none. */
int aio__deliveries_pop(struct aio__deliveries *deliveries);

/* Closes what is left and frees the array. */
void aio__deliveries_free(struct aio__deliveries *deliveries);

static inline bool aio__deliveries_full(const struct aio__deliveries *deliveries)
{
    return deliveries->count >= deliveries->limit;
}

const char *aio__opcode_name(unsigned opcode);

/* A transfer longer than this is cut: results are int32_t, and short transfers are normal. */
#define AIO__TRANSFER_BYTES_MAX ((size_t)0x7ffff000)

#endif
