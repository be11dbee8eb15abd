/*
 * Lookups of names while memory or descriptors are short.
 */
#define SUITE "names"
#include "tests/harness/harness.h"

#include "core/alloc.h"
#include "net/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* Without a descriptor c-ares could not read which servers to ask, and would ask others, from then
 * on. */
PLAIN(no_channel_without_descriptors)
{
    const struct aio_resolve_options options = {.timeout_ns = AIO_SEC(1), .tries = 1};
    struct aio__dns *dns = NULL;
    struct rlimit former;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);
    REQUIRE(lowest >= 0 && getrlimit(RLIMIT_NOFILE, &former) == 0);
    const struct rlimit tight = {(rlim_t)lowest, former.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    int rc = aio__dns_open(&dns, &options);
    AIO_CHECK(setrlimit(RLIMIT_NOFILE, &former) == 0);
    if (rc == -ENOSYS) {
        aio_test_skip("there is no c-ares in this build");
        return;
    }
    AIO_CHECK_ERROR(rc, -EMFILE);
    AIO_CHECK(dns == NULL);
    REQUIRE_OK(aio__dns_open(&dns, &options));
    aio__dns_free(dns);
}
