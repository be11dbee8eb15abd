/*
 * <aio/server.h>: the frame of a server: accept, limit, time out, drain; and sockets inherited from
 * a service manager.
 *
 *     static int serve(struct aio_connection *connection, void *arg)
 *     {
 *         struct aio_stream *stream = aio_connection_stream(connection);
 *         int rc;
 *         while ((rc = aio_connection_await(connection)) > 0)
 *             ... read a request, write its answer; leave the loop at the end of the stream ...
 *         return rc;
 *     }
 *
 *     AIO_MAIN(argc, argv)
 *     {
 *         struct aio_server_options options = AIO_SERVER_OPTIONS;
 *         options.address = "127.0.0.1:8080";
 *         options.handler = serve;
 *         int rc = aio_signal_shutdown();
 *         return aio_error_exit(rc < 0 ? rc : aio_server_run(&options), "server");
 *     }
 *
 * In a runtime of several cores each core's entry calls aio_server_run with the same options. Each
 * then has a listener of its own on the address (see aio_listen_options.sharded), its share of the
 * connection limit, and serves what it accepts.
 */
#ifndef AIO_SERVER_H
#define AIO_SERVER_H

#include <aio/base.h>
#include <aio/net.h>
#include <aio/stream.h>
#include <aio/time.h>

AIO_BEGIN_DECLS

/* A connection that a server handles. */
struct aio_connection;

/* Options of a server. Start from AIO_SERVER_OPTIONS. */
struct aio_server_options {
    size_t size;
    const char *address; /* as of aio_tcp_listen */
    struct aio_listen_options listen;
    /*
     * Use the first socket that the service manager has passed, see aio_activation_count, if there
     * is one, and address otherwise.
     */
    bool activation;
    /* Handles a connection, in a task of its own. The stream is closed when it has returned; the
     * result is dropped. */
    int (*handler)(struct aio_connection *connection, void *arg);
    void *arg;
    /* NULL, or called once on each core when its listener is open. */
    void (*ready)(struct aio_listener *listener, void *arg);
    /*
     * Connections at once, in all cores together, at least one on each. At the limit a core accepts
     * no more: clients wait in the kernel's backlog. Default 10000.
     */
    uint32_t connection_limit;
    /* How long aio_connection_await waits for the next request. Default 60 s; AIO_FOREVER. */
    int64_t keep_alive_ns;
    /* How long each read and each write may take, see aio_stream_timeout. Default 30 s;
     * AIO_FOREVER. */
    int64_t idle_ns;
    /* How long connections may go on when the server is asked to end. Default 10 s; AIO_FOREVER. */
    int64_t drain_ns;
};

#define AIO_SERVER_OPTIONS                                                                         \
    ((struct aio_server_options){.size = sizeof(struct aio_server_options),                        \
                                 .listen = AIO_LISTEN_OPTIONS,                                     \
                                 .connection_limit = 10000,                                        \
                                 .keep_alive_ns = AIO_SEC(60),                                     \
                                 .idle_ns = AIO_SEC(30),                                           \
                                 .drain_ns = AIO_SEC(10)})

/*
 * aio_server_run serves until the calling task is cancelled (aio_signal_shutdown, aio_runtime_stop,
 * aio_task_cancel) or runs into a deadline. Then it drains: the listener is closed; connections
 * that wait for a request end at once, those within one may go on for drain_ns, and are cancelled
 * after it; when the last has ended, it returns. Of a runtime that was stopped the shorter of its
 * own and this time to drain counts.
 *
 * When there is no memory for a connection, it waits until there is.
 *
 * Suspends:  until the server has ended.
 * Context:   a task.
 * Lifetime:  options and what they name during the call.
 * Returns:   how many connections had to be cancelled: 0 if it ended gracefully; -EINVAL for bad
 *            options; or an error as of aio_tcp_listen, of aio_activation_listen, or, after
 *            draining, of aio_listener_accept.
 */
AIO_API AIO_NODISCARD int aio_server_run(const struct aio_server_options *options);

/*
 * aio_connection_stream gives the connection's stream. Do not close, detach or release it.
 *
 * Suspends:  never.
 * Context:   the handler's task, or one that it has made and awaits.
 * Returns:   the stream.
 */
AIO_API struct aio_stream *aio_connection_stream(struct aio_connection *connection);

/*
 * aio_connection_await waits for the next request: that the peer has sent something, or has ended
 * its side (reading then tells). Nothing is read. What a reader (see <aio/buffered.h>) has buffered
 * is not seen: a pipeline's next request may stand there.
 *
 * Suspends:  until there is something to read, at most keep_alive_ns.
 * Context:   as aio_connection_stream.
 * Returns:   1; 0 when the connection shall end: the server drains, or keep_alive_ns has passed;
 *            -ECANCELED; -ETIMEDOUT by a deadline around the call; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_connection_await(struct aio_connection *connection);

/*
 * aio_connection_draining tells whether the server has been asked to end; a handler may then say in
 * its answer that this is the last one.
 *
 * Suspends:  never.
 * Context:   as aio_connection_stream.
 * Returns:   true if so.
 */
AIO_API bool aio_connection_draining(const struct aio_connection *connection);

/*
 * aio_activation_count counts the sockets that a service manager has passed to this process: the
 * descriptors from 3 on, by LISTEN_PID and LISTEN_FDS of the environment, see sd_listen_fds(3).
 * They are made close-on-exec. The variables stay as they are: they name this process, so a child
 * takes no notice of them.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   their number; 0 when there are none or they are another process's; -EINVAL when the
 *            variables make no sense; -EBADF when a descriptor is not open.
 */
AIO_API int aio_activation_count(void);

/*
 * aio_activation_listen makes a listener of one of them, on a duplicate: the socket outlives the
 * listener, so that clients who come while the program restarts wait in its backlog. It may be
 * called on several cores, which then share the connections.
 *
 * Suspends:  never.
 * Context:   a task; the listener belongs to its runtime.
 * Lifetime:  the listener lives until aio_listener_close.
 * Returns:   0; -ENOENT when there is no such one; -EINVAL for one that is not a listening stream
 *            socket; -EMFILE; -ENOMEM; or as aio_activation_count.
 */
AIO_API AIO_NODISCARD int aio_activation_listen(struct aio_listener **out, int index);

AIO_END_DECLS

#endif
