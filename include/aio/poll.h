/*
 * <aio/poll.h>: waiting for descriptors that somebody else reads and writes: client libraries with
 * an interface for event loops, devices, other event loops.
 *
 * Readiness is a hint for one moment: another user of the descriptor may be faster. Descriptors of
 * AIO's own streams and sockets need no polling.
 */
#ifndef AIO_POLL_H
#define AIO_POLL_H

#include <aio/base.h>
#include <poll.h>

AIO_BEGIN_DECLS

/*
 * aio_poll_wait waits until a descriptor is ready for one of the events: POLLIN, POLLOUT, POLLPRI,
 * POLLRDHUP of poll(2); POLLERR and POLLHUP always count. Several tasks may wait for one
 * descriptor. The descriptor stays the caller's; nothing of it is kept after the call, so a library
 * may close it as it likes, but not while a task waits for it: such a task would go on waiting.
 *
 * Suspends:  until an event, unless there is one already.
 * Context:   a task.
 * Returns:   the events that are ready, at least one; -EBADF for a descriptor that is not open;
 *            -ECANCELED; -ETIMEDOUT; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_poll_wait(int fd, int events);

AIO_END_DECLS

#endif
