/*
 * <aio/buffered.h>: reading lines and records from a stream, and writing it in large pieces.
 *
 * A reader and a writer stand in the caller's frame or struct, over a stream that stays his; each
 * has one buffer, of the caller's memory or its own, which never grows. A stream may have one of
 * each, and while it has, its bytes should come and go through them only. One task uses a reader
 * or writer at a time; a second one aborts.
 *
 * aio_select_readable and aio_connection_await ask the stream: they do not see what a reader has
 * buffered, see aio_reader_buffered.
 *
 * No byte is lost by an error, a cancellation or a deadline: what a reader has received and not
 * given out stays readable, what a writer has taken and not sent goes out with the next flush.
 */
#ifndef AIO_BUFFERED_H
#define AIO_BUFFERED_H

#include <aio/base.h>
#include <aio/stream.h>
#include <sys/uio.h>

AIO_BEGIN_DECLS

/* Bytes of a buffer for which the caller names no size. */
#define AIO_BUFFERED_BYTES ((size_t)16384)

/* No bound, for aio_reader_frame. */
#define AIO_READER_UNFRAMED UINT64_MAX

/* A reader that is open. Its fields are private. */
struct aio_reader {
    struct aio_stream *stream;
    char *memory;
    size_t size;
    size_t begin; /* what is buffered */
    size_t end;
    size_t limit;
    uint64_t left; /* of the frame */
    void *user;
    bool owned;
};

/*
 * aio_reader_open makes a reader over a stream. Its buffer is memory, of size bytes; or, when
 * memory is NULL, is allocated, with AIO_BUFFERED_BYTES for size 0.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Lifetime:  reader, stream and memory until aio_reader_close.
 * Returns:   0; -EINVAL for memory of size 0; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_reader_open(struct aio_reader *reader, struct aio_stream *stream,
                                          void *memory, size_t size);

/*
 * aio_reader_close ends the reader and drops what is buffered. The stream stays open.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 */
AIO_API void aio_reader_close(struct aio_reader *reader);

/*
 * aio_reader_limit bounds the texts of aio_reader_read_until and aio_reader_read_line, delimiter
 * included. At the start the limit is the buffer.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -EINVAL for 0 and for more than the buffer holds.
 */
AIO_API int aio_reader_limit(struct aio_reader *reader, size_t bytes);

/*
 * aio_reader_frame makes the reader end after so many more bytes, as if the stream did: for a body
 * whose length is known. A new frame, or AIO_READER_UNFRAMED, shows what follows.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 */
AIO_API void aio_reader_frame(struct aio_reader *reader, uint64_t bytes);

/*
 * aio_reader_buffered tells what can be had without waiting.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Lifetime:  *bytes, if bytes is not NULL, until the next call on the reader.
 * Returns:   how many bytes there are.
 */
AIO_API size_t aio_reader_buffered(struct aio_reader *reader, const char **bytes);

/*
 * aio_reader_peek waits until count bytes are buffered and shows them, without consuming any.
 *
 * Suspends:  until they have come, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  *bytes until the next call on the reader.
 * Returns:   what is buffered, which may be more than count; less than count, and be it 0, only at
 *            the end; -EMSGSIZE when count is more than the buffer holds; else as aio_stream_read.
 */
AIO_API ssize_t aio_reader_peek(struct aio_reader *reader, const char **bytes, size_t count);

/*
 * aio_reader_skip consumes count bytes that are buffered; that there are so many is the caller's to
 * know.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 */
AIO_API void aio_reader_skip(struct aio_reader *reader, size_t count);

/*
 * aio_reader_read gives up to size bytes: what is buffered, or else what the stream has next.
 *
 * Suspends:  until there is something, unless there is.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_stream_read.
 */
AIO_API ssize_t aio_reader_read(struct aio_reader *reader, void *buffer, size_t size);

/*
 * aio_reader_read_exact gives exactly size bytes, or tells how far it came.
 *
 * Suspends:  until all has come, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_stream_read_exact; *done, if done is not NULL, is what stands in buffer in
 *            every case.
 */
AIO_API ssize_t aio_reader_read_exact(struct aio_reader *reader, void *buffer, size_t size,
                                      size_t *done);

/*
 * aio_reader_read_until gives the bytes up to and with the next delimiter, which is one byte or
 * several.
 *
 * Suspends:  until the delimiter has come, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  delimiter until the call returns; *text until the next call on the reader.
 * Returns:   the length of *text, delimiter included; 0 at the end of the stream; -ENODATA when it
 *            ended in the middle; -EMSGSIZE when the limit came first; -EINVAL for a delimiter of
 *            no bytes; else as aio_stream_read. After an error nothing is consumed: what has come
 *            stays readable, see aio_reader_buffered.
 */
AIO_API ssize_t aio_reader_read_until(struct aio_reader *reader, const char **text,
                                      const void *delimiter, size_t delimiter_bytes);

/*
 * aio_reader_read_line gives the next line without its end, "\n" or "\r\n", in whose place a NUL
 * stands. Lines may contain NULs of their own.
 *
 * Suspends:  as aio_reader_read_until.
 * Context:   a task of the stream's core.
 * Lifetime:  *line until the next call on the reader.
 * Returns:   1, with *length (which may be NULL) set; 0 at the end of the stream; else as
 *            aio_reader_read_until: -ENODATA leaves the last line, which has no end, readable.
 */
AIO_API int aio_reader_read_line(struct aio_reader *reader, const char **line, size_t *length);

/* When a writer sends, apart from aio_writer_flush and when its buffer is full. */
enum aio_writer_policy {
    AIO_WRITER_FULL, /* not otherwise */
    AIO_WRITER_LINE, /* after a call that has written a newline */
    AIO_WRITER_EACH, /* after each call */
};

/* A writer that is open. Its fields are private. */
struct aio_writer {
    struct aio_stream *stream;
    char *memory;
    size_t size;
    size_t begin; /* what is buffered */
    size_t end;
    void *user;
    uint32_t corks;
    enum aio_writer_policy policy;
    bool due; /* the policy wanted to send, but for the corks */
    bool owned;
};

/*
 * aio_writer_open makes a writer over a stream; memory and size as in aio_reader_open. It sends
 * when its buffer is full (AIO_WRITER_FULL) or it is told to.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Lifetime:  writer, stream and memory until aio_writer_close.
 * Returns:   0; -EINVAL for memory of size 0; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_writer_open(struct aio_writer *writer, struct aio_stream *stream,
                                          void *memory, size_t size);

/*
 * aio_writer_close flushes, and ends the writer whether or not that succeeded: then what was not
 * sent is lost. The stream stays open.
 *
 * Suspends:  until what is buffered is sent, or an error.
 * Context:   a task of the stream's core.
 * Returns:   0, or why not all was sent: as aio_stream_write_all.
 */
AIO_API int aio_writer_close(struct aio_writer *writer);

/*
 * aio_writer_policy says when the writer sends by itself.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -EINVAL for an unknown policy.
 */
AIO_API int aio_writer_policy(struct aio_writer *writer, enum aio_writer_policy policy);

/*
 * aio_writer_buffered tells how many bytes have been taken and not sent.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   bytes.
 */
AIO_API size_t aio_writer_buffered(const struct aio_writer *writer);

/*
 * aio_writer_write takes size bytes: into the buffer, or, where they do not fit, straight to the
 * kernel together with what is buffered.
 *
 * Suspends:  while something has to be sent.
 * Context:   a task of the stream's core.
 * Lifetime:  bytes until the call returns.
 * Returns:   size; else an error as of aio_stream_write_all. *done, if done is not NULL, is what
 *            was taken in every case; an error after all was taken is that of the policy's flush.
 */
AIO_API ssize_t aio_writer_write(struct aio_writer *writer, const void *bytes, size_t size,
                                 size_t *done);

/*
 * aio_writer_writev takes all of several pieces, in order, as aio_writer_write.
 *
 * Suspends:  while something has to be sent.
 * Context:   a task of the stream's core.
 * Lifetime:  vectors and their buffers until the call returns.
 * Returns:   as aio_writer_write; -EINVAL for count < 0, and when the sizes overflow.
 */
AIO_API ssize_t aio_writer_writev(struct aio_writer *writer, const struct iovec *vectors, int count,
                                  size_t *done);

/*
 * aio_writer_flush sends what is buffered, corked or not.
 *
 * Suspends:  until the kernel has taken everything, or an error.
 * Context:   a task of the stream's core.
 * Returns:   0; else an error as of aio_stream_write_all: what was not sent stays buffered.
 */
AIO_API int aio_writer_flush(struct aio_writer *writer);

/*
 * aio_writer_cork holds back what the policy would send, until aio_writer_uncork; a full buffer is
 * sent all the same. Corks nest.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 */
AIO_API void aio_writer_cork(struct aio_writer *writer);

/*
 * aio_writer_uncork ends a cork; the last one sends what the policy wanted to send meanwhile.
 *
 * Suspends:  as aio_writer_flush.
 * Context:   a task of the stream's core.
 * Returns:   as aio_writer_flush.
 */
AIO_API int aio_writer_uncork(struct aio_writer *writer);

AIO_END_DECLS

#endif
