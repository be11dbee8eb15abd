/*
 * <aio/aio.h>: all of AIO's public interface.
 *
 * AIO runs straight-line C code in tasks: thousands of them share a thread, and a call that has
 * to wait (read, accept, sleep, join) suspends only its task. Underneath, operations go to the
 * kernel through io_uring, or through an emulation over libev and epoll with the same behaviour.
 *
 * These headers are the manual. The words they use:
 *   Suspends   what the calling task waits for, if it can wait at all.
 *   Context    from where the call may be made. "A task" is code run by aio_runtime_run or
 *              aio_task_spawn; a call from anywhere else aborts with a message.
 *   Lifetime   how long the memory handed in must stay valid.
 *   Returns    the result and its unit; errors are always negative errno values, errno is never
 *              set.
 *
 * Cancellation and expired deadlines are sticky: a call that can suspend, entered while either is
 * pending and outside a shield, starts nothing and returns -ECANCELED or -ETIMEDOUT at once;
 * cancellation outranks a deadline. An operation that succeeded in the same moment is a success:
 * it is returned, and the next call returns the cancellation.
 */
#ifndef AIO_AIO_H
#define AIO_AIO_H

#include <aio/base.h>
#include <aio/buf.h>
#include <aio/buffered.h>
#include <aio/channel.h>
#include <aio/copy.h>
#include <aio/core.h>
#include <aio/directory.h>
#include <aio/error.h>
#include <aio/file.h>
#include <aio/filter.h>
#include <aio/local.h>
#include <aio/message.h>
#include <aio/net.h>
#include <aio/offload.h>
#include <aio/path.h>
#include <aio/pinned.h>
#include <aio/pipe.h>
#include <aio/poll.h>
#include <aio/process.h>
#include <aio/resolve.h>
#include <aio/runtime.h>
#include <aio/scope.h>
#include <aio/select.h>
#include <aio/server.h>
#include <aio/shared.h>
#include <aio/signal.h>
#include <aio/socket.h>
#include <aio/stat.h>
#include <aio/stream.h>
#include <aio/sync.h>
#include <aio/task.h>
#include <aio/time.h>
#include <aio/udp.h>
#include <aio/unix.h>
#include <aio/watch.h>
#include <aio/whole.h>

#endif
