/* embed_uv: the echo server as tasks inside libuv's loop, beside a timer of libuv. Needs Debian's
 * libuv1-dev. Usage: embed_uv [HOST:PORT] */
#include <aio/aio.h>
#include <stdio.h>
#include <uv.h>

static int echo(void *arg)
{
    struct aio_stream *peer = arg;
    char buffer[1024];
    ssize_t n;
    while ((n = aio_stream_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = aio_stream_write_all(peer, buffer, (size_t)n, NULL)) < 0)
            break;
    aio_stream_close(peer);
    return (int)n;
}

static int serve(void *address)
{
    struct aio_listener *listener;
    struct aio_stream *peer;
    int rc = aio_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0)
        return aio_error_exit(rc, "signals");
    printf("embed_uv: listening on %s\n", (const char *)address), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_task_spawn(NULL, echo, peer, NULL) < 0)
            aio_stream_close(peer);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}

/* What libuv watches for us, and a timer of its own. */
struct host {
    struct aio_runtime *runtime;
    uv_poll_t ready;
    uv_timer_t ticker;
    unsigned long ticks;
};

static void on_tick(uv_timer_t *ticker)
{
    struct host *host = ticker->data;
    host->ticks++;
}

/* The turn that ends the runtime closes the descriptor: libuv must have let go of it before, or be
 * told at once, as here. */
static void on_ready(uv_poll_t *ready, int status, int events)
{
    struct host *host = ready->data;
    (void)status, (void)events;
    if (aio_runtime_turn(host->runtime) > 0)
        return;
    uv_close((uv_handle_t *)ready, NULL);
    uv_close((uv_handle_t *)&host->ticker, NULL);
}

int main(int argc, char **argv)
{
    char standard[] = "127.0.0.1:8080";
    struct host host = {.ticks = 0};
    uv_loop_t *loop = uv_default_loop();
    int result = 1;
    int rc = aio_runtime_create(&host.runtime, NULL);
    if (rc == 0)
        rc = aio_runtime_attach(host.runtime, serve, argc > 1 ? argv[1] : standard);
    if (rc < 0)
        return aio_error_exit(rc, "runtime");
    host.ready.data = host.ticker.data = &host;
    uv_poll_init(loop, &host.ready, aio_runtime_fd(host.runtime));
    uv_poll_start(&host.ready, UV_READABLE, on_ready);
    uv_timer_init(loop, &host.ticker);
    uv_timer_start(&host.ticker, on_tick, 100, 100);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    rc = aio_runtime_wait(host.runtime, &result);
    aio_runtime_destroy(host.runtime);
    printf("embed_uv: %lu ticks\n", host.ticks);
    return rc < 0 ? 1 : result;
}
