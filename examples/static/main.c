/*
 * static: serves the files of a folder.
 * Usage: static [HOST:PORT] [ROOT] [header=SECONDS] [idle=SECONDS]
 *
 * HTTP/1.1 with keep-alive and pipelining: GET and HEAD, conditional requests, one range or
 * several. A folder is its index.html; there are no listings. What is served lies below ROOT,
 * whatever the path says and wherever symbolic links lead; names that begin with a dot, and
 * whatever is neither file nor folder, are refused. Everything a client can use up has a limit:
 * connections, header and body bytes, and the time it may take: for a header (10 s), and for 32 KiB
 * of an answer (idle, 30 s).
 */
#include "examples/common/http_wire.h"
#include "examples/static/file.h"
#include "examples/static/request.h"
#include "examples/static/session.h"

#include <aio/aio.h>
#include <aio/server.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

static void say_where(struct aio_listener *listener, void *arg)
{
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES] = "?";
    if (aio_listener_address(listener, &address) == 0)
        (void)aio_address_format(&address, text, sizeof text);
    printf("static: listening on %s, serving %s\n", text, (const char *)arg), fflush(stdout);
}

static int read_limits(int count, char **words, struct aio_server_options *options)
{
    for (int i = 0; i < count; i++)
        if (http_read_limit(words[i]) < 0 &&
            http_read_seconds(words[i], "idle", &options->idle_ns) < 0)
            return aio_error_exit(-EINVAL, words[i]);
    return 0;
}

AIO_MAIN(argc, argv)
{
    const char *root = argc > 2 ? argv[2] : ".";
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    options.address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    options.handler = session_run;
    options.ready = say_where;
    options.arg = (void *)(uintptr_t)root;
    options.drain_ns = AIO_SEC(3);
    http_parser_set_max_header_size(HEADER_LIMIT);
    if (read_limits(argc - 3, argv + 3, &options) != 0)
        return 1;
    int rc = file_serve(root);
    if (rc < 0)
        return aio_error_exit(rc, root);
    rc = aio_signal_shutdown(); /* SIGINT and SIGTERM end the server, which drains */
    if (rc == 0)
        rc = aio_server_run(&options);
    file_end();
    return aio_error_exit(rc < 0 ? rc : 0, options.address);
}
