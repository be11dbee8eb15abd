/*
 * Lookups of names while memory is short.
 */
#define SUITE "names"
#include "tests/harness/harness.h"

#include "core/alloc.h"

#include <aio/resolve.h>
#include <errno.h>

/* Lookups with each allocation failing in turn: the error, or the result as if nothing had been. */
static void resolve_stubbornly(const char *text, int wanted)
{
    struct aio_address found[2];
    int rc = -ENOMEM;
    for (int n = 1; n < 40; n++) {
        aio__alloc_fail_at(n);
        rc = aio_resolve_name(found, 2, text, AIO_RESOLVE_ANY);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == -ENOMEM || AIO_CHECK_EQ(rc, wanted));
    }
    AIO_CHECK_EQ(rc, wanted);
}

static int without_memory(void *arg)
{
    (void)arg;
    struct aio_resolve_options options = AIO_RESOLVE_OPTIONS;
    options.servers = "127.0.0.1:1"; /* where nobody is */
    options.hosts = "/nonexistent/hosts";
    options.tries = 1;
    resolve_stubbornly("db.localhost:80", 2);
    for (int n = 1, rc = -ENOMEM; rc == -ENOMEM && n < 40; n++) {
        aio__alloc_fail_at(n);
        rc = aio_resolve_setup(&options);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || rc == -ENOMEM || rc == -ENOSYS);
        if (rc == -ENOSYS)
            return 0;
    }
    resolve_stubbornly("a.test:80", -EHOSTDOWN);
    return 0;
}

PLAIN(without_memory)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    AIO_CHECK_OK(aio_runtime_run(&options, without_memory, NULL));
}
