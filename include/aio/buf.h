/*
 * <aio/buf.h>: rented buffers: receiving without holding memory, sending without waiting.
 *
 * A connection that waits in aio_stream_read needs its buffer the whole time. One that waits in
 * aio_stream_read_rent has none: when data is there the call returns a buffer of the core's pool
 * that holds it. aio_stream_write_rent gives a buffer away: it is sent and goes back to the pool
 * by itself.
 *
 *     struct aio_buffer *buffer;
 *     ssize_t n;
 *     while ((n = aio_stream_read_rent(peer, &buffer)) > 0)
 *         if ((n = aio_stream_write_rent(peer, buffer)) < 0)
 *             break;
 *
 * A struct aio_buffer is a handle onto some bytes of the pool's memory, and has one owner: who
 * got it releases it or gives it away. Handles made of one another share memory, which returns
 * to the pool with the last of them. Any task of the core may use a handle; another thread may
 * not.
 *
 * The pool is bounded (aio_runtime_options.buffer_limit). While all buffers are in use, receiving
 * waits, and the peers with it: who keeps buffers for long should copy out of them. A buffer that
 * is not released when the runtime ends is reported in debug builds.
 */
#ifndef AIO_BUF_H
#define AIO_BUF_H

#include <aio/base.h>
#include <aio/stream.h>

AIO_BEGIN_DECLS

struct aio_buffer;

/*
 * aio_stream_read_rent waits until the stream has data and returns it in a buffer of the pool, at
 * most buffer_bytes of it. It may be mixed with the other calls that read: whatever has been
 * received already comes first, in order. (Changing between the two kinds costs a cancelled
 * operation each time.) Descriptors that a peer sends along with bytes are lost: they need
 * aio_stream_recvmsg. Such a stream is detached and released as any other once what it has received
 * was read.
 *
 * Suspends:  until there is data and a free buffer, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  *out is the caller's until it is released or given away, also after the stream is
 *            closed.
 * Returns:   bytes received, with *out set; 0 at the end of the stream; -ECONNRESET; -ENOMEM;
 *            -ECANCELED; -ETIMEDOUT; -EBADF once the stream is being closed; the error of an
 *            earlier aio_stream_write_rent that no call has returned; or another -errno of
 *            recv(2). *out is NULL unless bytes were received, and no byte was consumed then.
 */
AIO_API ssize_t aio_stream_read_rent(struct aio_stream *stream, struct aio_buffer **out);

/*
 * aio_stream_write_rent gives a buffer to the stream, which sends it behind what was written
 * before and then puts it back. The caller's task does not wait for that: an error is returned by
 * the next call that writes, by aio_stream_flush or by an aio_stream_read_rent that has no data;
 * what was given away meanwhile is dropped. aio_stream_close sends what the kernel takes at once
 * and drops the rest: call aio_stream_flush or aio_stream_shutdown before it where that matters.
 *
 * Suspends:  while other calls write, and while stream_buffers buffers wait to be sent.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer is given away in every case, also when an error is returned.
 * Returns:   0; or an error as of aio_stream_write, after which the buffer has not been sent.
 */
AIO_API int aio_stream_write_rent(struct aio_stream *stream, struct aio_buffer *buffer);

/*
 * aio_stream_flush waits until the kernel has taken every buffer given to aio_stream_write_rent.
 *
 * Suspends:  until all is sent, or an error.
 * Context:   a task of the stream's core.
 * Returns:   0; else as aio_stream_write. After -ECANCELED or -ETIMEDOUT sending goes on.
 */
AIO_API int aio_stream_flush(struct aio_stream *stream);

/*
 * aio_buffer_rent takes an empty buffer of buffer_bytes from the pool, to be filled and sent: its
 * size is 0, see aio_buffer_resize.
 *
 * Suspends:  while the program has half of the pool in use, or no buffer is free; first come, first
 *            served.
 * Context:   a task.
 * Lifetime:  *out is the caller's until it is released or given away.
 * Returns:   0; -ENOMEM; -ECANCELED; -ETIMEDOUT. *out is NULL after an error.
 */
AIO_API AIO_NODISCARD int aio_buffer_rent(struct aio_buffer **out);

/*
 * aio_buffer_release ends a handle. The memory goes back to the pool with the last handle onto
 * it. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_buffer_release(struct aio_buffer *buffer);

/*
 * aio_buffer_data gives the bytes of a buffer. They may be changed; other handles onto the same
 * bytes see that.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Lifetime:  the bytes stay in place until the last handle onto them is released or given away.
 * Returns:   the first byte.
 */
AIO_API void *aio_buffer_data(const struct aio_buffer *buffer);

/*
 * aio_buffer_size gives the number of bytes in a buffer.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Returns:   the bytes.
 */
AIO_API size_t aio_buffer_size(const struct aio_buffer *buffer);

/*
 * aio_buffer_room gives the number of bytes that a buffer could hold from its first byte on.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Returns:   the bytes: aio_buffer_size at least.
 */
AIO_API size_t aio_buffer_room(const struct aio_buffer *buffer);

/*
 * aio_buffer_resize sets the size of a buffer, after filling it or to cut its end off.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Returns:   0; -EINVAL when it has no room for size bytes.
 */
AIO_API int aio_buffer_resize(struct aio_buffer *buffer, size_t size);

/*
 * aio_buffer_skip drops bytes from the beginning of a buffer.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Returns:   0; -EINVAL when the buffer has fewer bytes.
 */
AIO_API int aio_buffer_skip(struct aio_buffer *buffer, size_t bytes);

/*
 * aio_buffer_slice makes a second handle onto `size` bytes of a buffer, from `offset` on; the
 * buffer itself stays as it is.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Lifetime:  *out is the caller's, and independent of the first handle.
 * Returns:   0; -EINVAL when these are not bytes of the buffer; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_buffer_slice(struct aio_buffer **out, struct aio_buffer *buffer,
                                           size_t offset, size_t size);

/*
 * aio_buffer_split takes the first `size` bytes off a buffer and makes a buffer of them.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Lifetime:  as of aio_buffer_slice.
 * Returns:   0; -EINVAL when the buffer has fewer bytes; -ENOMEM. It is unchanged then.
 */
AIO_API AIO_NODISCARD int aio_buffer_split(struct aio_buffer **out, struct aio_buffer *buffer,
                                           size_t size);

/*
 * aio_buffer_reference makes a second handle onto all bytes of a buffer, as to send it on two
 * streams.
 *
 * Suspends:  never.
 * Context:   a task of the buffer's core.
 * Lifetime:  as of aio_buffer_slice.
 * Returns:   0; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_buffer_reference(struct aio_buffer **out, struct aio_buffer *buffer);

AIO_END_DECLS

#endif
