/*
 * Names: what is remembered and for how long, the hosts file, and many lookups.
 */
#define SUITE "names_cache"
#include "tests/behaviour/names_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct names_entry table[] = {
    {.name = "kept.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .ttl = 60},
    {.name = "brief.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .ttl = 0},
    {.name = "alias.test", .v4 = "1.2.3.4", .alias = "target.test", .ttl = 60},
    {.name = "brief_alias.test",
     .v4 = "1.2.3.4",
     .v6 = "2001:db8::1",
     .alias = "target.test",
     .brief_alias = true,
     .ttl = 60},
    {.name = "fail.test", .kind = NAMES_FAIL, .ttl = 60},
    {.name = "none.test"},
    {.name = "slow.test", .v4 = "1.2.3.4", .v4_delay_ns = AIO_MS(5), .ttl = 60},
    {.name = "*", .v4 = "127.0.0.1", .ttl = 60},
    {.name = NULL},
};

/* An answer is asked for once, also in other letters; one of which a part holds for no time, each
 * time. */
BEHAVIOUR(kept)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    for (int i = 0; i < 5; i++)
        names_give(i % 2 == 0 ? "kept.test" : "Kept.TEST", "[2001:db8::1]:80 1.2.3.4:80");
    AIO_CHECK_EQ(names.asked_udp, 2);
    for (int i = 0; i < 3; i++)
        names_give("brief.test", "[2001:db8::1]:80 1.2.3.4:80");
    AIO_CHECK_EQ(names.asked_udp, 2 + 6);
    for (int i = 0; i < 3; i++)
        names_give("brief_alias.test", "[2001:db8::1]:80 1.2.3.4:80");
    AIO_CHECK_EQ(names.asked_udp, 2 + 6 + 6);
    names_close(&names);
}

/* That there is nothing is kept too; that a server failed is not. */
BEHAVIOUR(negative_kept)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    for (int i = 0; i < 3; i++)
        names_fail("none.test", -ENODATA);
    AIO_CHECK_EQ(names.asked_udp, 2);
    names_fail("fail.test", -EREMOTEIO);
    int once = names.asked_udp;
    names_fail("fail.test", -EREMOTEIO);
    AIO_CHECK_EQ(names.asked_udp - once, once - 2);
    names_close(&names);
}

struct expiry {
    struct names *names;
    const char *name;
    int asked;
};

static bool asked_again(void *arg)
{
    struct expiry *expiry = arg;
    struct aio_address found[4];
    char text[64];
    snprintf(text, sizeof text, "%s:80", expiry->name);
    (void)!aio_resolve_name(found, 4, text, AIO_RESOLVE_ANY);
    return expiry->names->asked_udp > expiry->asked;
}

/* After its time an answer is asked for again, and not before; both kinds. */
BEHAVIOUR(expires)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.cache_ttl_ns = options.negative_ttl_ns = AIO_MS(10);
    REQUIRE_OK(aio_resolve_setup(&options));
    static const char *const hosts[] = {"kept.test", "none.test"};
    for (int i = 0; i < 2; i++) {
        struct expiry expiry = {&names, hosts[i], names.asked_udp};
        int64_t start = aio_time_now();
        AIO_CHECK(asked_again(&expiry));
        expiry.asked = names.asked_udp;
        AIO_CHECK(test_wait(asked_again, &expiry));
        AIO_CHECK(aio_time_now() - start >= AIO_MS(10));
    }
    names_close(&names);
}

/* The cache has a bound: what was not used for longest goes first. */
BEHAVIOUR(bounded)
{
    struct names names;
    char name[32];
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.cache_entries = 8;
    REQUIRE_OK(aio_resolve_setup(&options));
    names_give("first.test", "127.0.0.1:80"); /* two entries each */
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        names_give(name, "127.0.0.1:80");
        names_give("first.test", "127.0.0.1:80");
    }
    AIO_CHECK_EQ(names.asked_udp, 2 * 21);
    names_give("n19.test", "127.0.0.1:80");
    AIO_CHECK_EQ(names.asked_udp, 2 * 21);
    names_give("n0.test", "127.0.0.1:80");
    AIO_CHECK_EQ(names.asked_udp, 2 * 22);
    options.cache_entries = AIO_RESOLVE_UNCACHED;
    REQUIRE_OK(aio_resolve_setup(&options));
    names_give("first.test", "127.0.0.1:80");
    names_give("first.test", "127.0.0.1:80");
    AIO_CHECK_EQ(names.asked_udp, 2 * 24);
    names_close(&names);
}

/* A thousand lookups at once of as many names, each answered. */
BEHAVIOUR(thousand)
{
    enum { COUNT = 1000 };
    static char text[COUNT][24];
    static struct aio_task *tasks[COUNT];
    struct names names;
    int found = 0, result = 0;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.cache_entries = 2 * COUNT;
    REQUIRE_OK(aio_resolve_setup(&options));
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i], "n%d.test", i);
        tasks[i] = names_start(text[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        found += result == 1;
    }
    AIO_CHECK_EQ(found, COUNT);
    AIO_CHECK_EQ(names.asked_udp, 2 * COUNT);
    names_close(&names);
}

/* Of many lookups of one name at once most are answered by the first. */
BEHAVIOUR(herd)
{
    enum { COUNT = 200 };
    static struct aio_task *tasks[COUNT];
    struct names names;
    int result = 0;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.lookups = 4;
    REQUIRE_OK(aio_resolve_setup(&options));
    for (int i = 0; i < COUNT; i++)
        tasks[i] = names_start("slow.test");
    tcp_settle();
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EBUSY);
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_EQ(result, 1);
    }
    AIO_CHECK(names.asked_udp <= 2 * 4 * 2);
    names_close(&names);
}

/* A hosts file of the test's own. */
struct hosts {
    char path[32];
    struct aio_resolve_options options;
};

static bool hosts_write(struct hosts *hosts, const char *text)
{
    FILE *file = fopen(hosts->path, "we");
    bool good = file != NULL && fputs(text, file) >= 0;
    return AIO_CHECK(file != NULL && fclose(file) == 0 && good);
}

static bool hosts_open(struct hosts *hosts, const char *text)
{
    *hosts = (struct hosts){.path = "/tmp/aio-hosts-XXXXXX", .options = AIO_RESOLVE_OPTIONS};
    int fd = mkstemp(hosts->path);
    if (!AIO_CHECK(fd >= 0))
        return false;
    close(fd);
    hosts->options.hosts = hosts->path;
    return hosts_write(hosts, text) && AIO_CHECK_OK(aio_resolve_setup(&hosts->options));
}

/* The hosts file is asked first, needs no server, and is read again when it changes. */
BEHAVIOUR(hosts_file)
{
    struct hosts hosts;
    REQUIRE(hosts_open(&hosts, "# comment alpha\n"
                               "10.0.0.1 alpha.test alpha # beta\n"
                               "\t 2001:db8::5\tALPHA.test\r\n"
                               "10.0.0.2 alpha.test\n"
                               "nonsense alpha.test\n"
                               "10.0.0.3\n"
                               "10.0.0.4 gamma.test"));
    names_give("alpha.test", "[2001:db8::5]:80 10.0.0.1:80 10.0.0.2:80");
    names_give("Alpha.Test.", "[2001:db8::5]:80 10.0.0.1:80 10.0.0.2:80");
    names_give("alpha", "10.0.0.1:80");
    names_give("gamma.test", "10.0.0.4:80");
    REQUIRE(hosts_write(&hosts, "10.9.9.9 gamma.test and more\n"));
    names_give("gamma.test", "10.9.9.9:80");
    unlink(hosts.path);
}

/* With no descriptor to spare the file cannot be read: that is an error, and no other answer. */
BEHAVIOUR(hosts_file_out_of_reach)
{
    struct hosts hosts;
    struct tcp_shortage shortage;
    struct aio_stream *stream;
    REQUIRE(hosts_open(&hosts, "10.0.0.1 alpha.test\n"));
    REQUIRE(tcp_shortage_begin(&shortage));
    for (int i = 0; i < 2; i++)
        names_fail("alpha.test", -EMFILE);
    AIO_CHECK_ERROR(aio_tcp_connect(&stream, "alpha.test:80"), -EMFILE);
    tcp_shortage_end(&shortage);
    names_give("alpha.test", "10.0.0.1:80");
    unlink(hosts.path);
    REQUIRE(mkfifo(hosts.path, 0600) == 0); /* whose opening would wait for a writer */
    names_give("localhost", "[::1]:80 127.0.0.1:80");
    unlink(hosts.path);
}

/* Names of the loopback are its own, unless the hosts file says otherwise. */
BEHAVIOUR(localhost)
{
    struct hosts hosts;
    REQUIRE(hosts_open(&hosts, ""));
    names_give("localhost", "[::1]:80 127.0.0.1:80");
    names_give("LocalHost.", "[::1]:80 127.0.0.1:80");
    names_give("db.localhost", "[::1]:80 127.0.0.1:80");
    REQUIRE(hosts_write(&hosts, "127.0.0.9 localhost\n"));
    names_give("localhost", "127.0.0.9:80");
    unlink(hosts.path);
}

/* Bad options are refused and change nothing. */
BEHAVIOUR(bad_options)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.size--;
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EINVAL);
    options = names_options(&names);
    options.servers = "no address";
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EINVAL);
    options.servers = "";
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EINVAL);
    options.servers = "127.0.0.1:99999";
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EINVAL);
    struct aio_address address;
    AIO_CHECK_ERROR(aio_resolve_name(&address, 1, "127.0.0.1:1", (enum aio_resolve_family)77),
                    -EINVAL);
    options = names_options(&names);
    options.timeout_ns = -1;
    AIO_CHECK_ERROR(aio_resolve_setup(&options), -EINVAL);
    names_give("kept.test", "[2001:db8::1]:80 1.2.3.4:80");
    names_close(&names);
}
