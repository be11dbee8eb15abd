/*
 * main() of AIO_MAIN.
 */
#include <aio/error.h>
#include <aio/runtime.h>

struct main_call {
    int argc;
    char **argv;
    int (*body)(int argc, char **argv);
    bool started;
};

static int main_entry(void *arg)
{
    struct main_call *call = arg;
    call->started = true;
    return call->body(call->argc, call->argv);
}

int aio_runtime_main(int argc, char **argv, int (*body)(int argc, char **argv))
{
    struct main_call call = {argc, argv, body, false};
    int rc = aio_runtime_run(NULL, main_entry, &call);
    if (!call.started)
        return aio_error_exit(rc, "aio: cannot start");
    return rc >= 0 && rc <= 255 ? rc : 1;
}
