/*
 * The optional kernel features that backends can do without, and the names AIO_CAPS masks them
 * by. The tables are compiled in whatever backends are, so that a list is understood by every
 * build.
 */
#ifndef AIO_BACKENDS_CAPS_H
#define AIO_BACKENDS_CAPS_H

#include "core/backend.h"

/* X(NAME, name, what it does and since which kernel) */
#define AIO__URING_CAPS(X)                                                                         \
    X(SINGLE_ISSUER, single_issuer, "6.0")                                                         \
    X(DEFER_TASKRUN, defer_taskrun, "6.1, needs single_issuer")                                    \
    X(COOP_TASKRUN, coop_taskrun, "5.19")                                                          \
    X(TASKRUN_FLAG, taskrun_flag, "5.19, needs coop_taskrun or defer_taskrun")                     \
    X(SUBMIT_ALL, submit_all, "5.18")                                                              \
    X(BIG_CQ, big_cq, "5.5")                                                                       \
    X(RING_FD, ring_fd, "registered ring descriptor, 5.18")                                        \
    X(MULTISHOT_ACCEPT, multishot_accept, "5.19")                                                  \
    X(SEND_ZC, send_zc, "6.0: a stream's aio_stream_zerocopy")                                     \
    X(MIN_WAIT, min_wait, "6.12: under load, wait a moment for several completions")               \
    X(MSG_RING_WAKE, msg_ring_wake, "6.13: a core is woken through its ring")                      \
    X(NO_IOWAIT, no_iowait, "6.15")                                                                \
    X(MULTISHOT_RECV, multishot_recv, "6.0: rented buffers, from a ring of provided ones")         \
    X(QUIET_SEND, quiet_send, "6.0: lazy sends that post no completion")                           \
    X(PINNED, pinned, "5.19: pinned memory is registered with the ring")                           \
    X(INLINE_SEND, inline_send, "send(2) at once while the ring brings one completion a turn")

#define AIO__EV_CAPS(X)                                                                            \
    X(READ_HINT, read_hint, "no second try after a short read")                                    \
    X(CACHED_READ, cached_read, "4.14: cached bytes of a file are read without a thread")          \
    X(DEL_ON_CLOSE, del_on_close, "EPOLL_CTL_DEL before close")

enum aio__uring_cap_index {
#define AIO__CAP_INDEX(upper, lower, text) AIO__URING_INDEX_##upper,
    AIO__URING_CAPS(AIO__CAP_INDEX)
#undef AIO__CAP_INDEX
};

enum aio__ev_cap_index {
#define AIO__CAP_INDEX(upper, lower, text) AIO__EV_INDEX_##upper,
    AIO__EV_CAPS(AIO__CAP_INDEX)
#undef AIO__CAP_INDEX
};

enum aio__uring_cap {
#define AIO__CAP_BIT(upper, lower, text) AIO__URING_##upper = 1u << AIO__URING_INDEX_##upper,
    AIO__URING_CAPS(AIO__CAP_BIT)
#undef AIO__CAP_BIT
};

enum aio__ev_cap {
#define AIO__CAP_BIT(upper, lower, text) AIO__EV_##upper = 1u << AIO__EV_INDEX_##upper,
    AIO__EV_CAPS(AIO__CAP_BIT)
#undef AIO__CAP_BIT
};

extern const struct aio__cap aio__uring_cap_table[];
extern const struct aio__cap aio__ev_cap_table[];

/* Returns 0; -EINVAL with the first unknown name of the list in *unknown and its length. */
int aio__caps_check(const char *text, const char **unknown, int *length);

#endif
