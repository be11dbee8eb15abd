/*
 * Names: what servers answer, and all the ways in which they do not.
 */
#define SUITE "names_answers"
#include "tests/behaviour/names_support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEN "1.2.3.4 1.2.3.5 1.2.3.6 1.2.3.7 1.2.3.8 1.2.3.9 1.2.4.1 1.2.4.2 1.2.4.3 1.2.4.4 "

static const struct names_entry table[] = {
    {.name = "both.test", .v6 = "2001:db8::1 2001:db8::2 2001:db8::3", .v4 = "1.2.3.4"},
    {.name = "four.test", .v4 = "1.2.3.4 5.6.7.8"},
    {.name = "six.test", .v6 = "2001:db8::7"},
    {.name = "bare.test"},
    {.name = "alias.test", .v4 = "1.2.3.4", .alias = "target.test"},
    {.name = "fail.test", .kind = NAMES_FAIL},
    {.name = "refuse.test", .kind = NAMES_REFUSE},
    {.name = "half.test", .v4 = "1.2.3.4", .v6_kind = NAMES_FAIL},
    {.name = "silent.test", .kind = NAMES_SILENT},
    {.name = "long.test", .v4 = "9.8.7.6", .v6 = "2001:db8::9", .kind = NAMES_TRUNCATE},
    {.name = "many.test", .v4 = TEN TEN TEN TEN TEN "1.2.3.4", .kind = NAMES_TRUNCATE},
    {.name = "mute.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .kind = NAMES_TCP_MUTE},
    {.name = "gone.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .kind = NAMES_TCP_CUT},
    {.name = "mutant.test", .v4 = TEN, .v6 = "2001:db8::1", .kind = NAMES_MUTATED},
    {.name = "mutant_alias.test",
     .v4 = "1.2.3.4",
     .alias = "a.rather.long.name.test",
     .kind = NAMES_MUTATED},
    {.name = "cut.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .kind = NAMES_CUT},
    {.name = "loop.test", .kind = NAMES_LOOP},
    {.name = "noise.test", .v4 = "1.2.3.4", .kind = NAMES_GARBAGE},
    {.name = "fat.test", .v4 = "1.2.3.4", .v6 = "2001:db8::1", .kind = NAMES_OVERSIZED},
    {.name = "late.test", .v4 = "1.2.3.4", .v4_delay_ns = AIO_MS(20), .v6_delay_ns = AIO_MS(5)},
    {.name = "under_score.a-b.test", .v4 = "1.2.3.4"},
    {.name = NULL},
};

/* Addresses of either family, in turn, IPv6 first. */
BEHAVIOUR(addresses)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    names_give("both.test", "[2001:db8::1]:80 1.2.3.4:80 [2001:db8::2]:80 [2001:db8::3]:80");
    names_give("four.test", "1.2.3.4:80 5.6.7.8:80");
    names_give("six.test", "[2001:db8::7]:80");
    names_give("SIX.Test", "[2001:db8::7]:80");
    names_give("alias.test", "1.2.3.4:80");
    names_give("late.test", "1.2.3.4:80");
    names_give("under_score.a-b.test", "1.2.3.4:80");
    names_give("four.test.", "1.2.3.4:80 5.6.7.8:80");
    names_close(&names);
}

/* One family is asked for alone, and no more is written than there is room for. */
BEHAVIOUR(family_and_capacity)
{
    struct names names;
    struct aio_address found[2] = {{.length = 7}, {.length = 7}};
    if (!names_open(&names, table))
        return;
    AIO_CHECK_EQ(aio_resolve_name(found, 2, "both.test:443", AIO_RESOLVE_V4), 1);
    AIO_CHECK_EQ(found[0].any.sa_family, AF_INET);
    AIO_CHECK_EQ(aio_address_port(&found[0]), 443);
    AIO_CHECK_EQ(names.asked_udp, 1);
    AIO_CHECK_EQ(aio_resolve_name(found, 1, "both.test:443", AIO_RESOLVE_V6), 1);
    AIO_CHECK_EQ(found[0].any.sa_family, AF_INET6);
    AIO_CHECK_EQ(found[1].length, 7);
    AIO_CHECK_ERROR(aio_resolve_name(found, 2, "six.test:443", AIO_RESOLVE_V4), -ENODATA);
    AIO_CHECK_ERROR(aio_resolve_name(found, 0, "six.test:443", AIO_RESOLVE_V6), -EINVAL);
    names_close(&names);
}

/* That there is nothing is said as the servers say it. */
BEHAVIOUR(negative)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    names_fail("none.test", -ENOENT);
    names_fail("bare.test", -ENODATA);
    names_fail("fail.test", -EREMOTEIO);
    names_fail("refuse.test", -EREMOTEIO);
    names_give("half.test", "1.2.3.4:80");
    names_close(&names);
}

static bool asked_four_times(void *arg)
{
    return ((const struct names *)arg)->asked_udp >= 4;
}

/* A server that does not answer is asked again, and then no more. */
BEHAVIOUR(silent)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    names_hurry(&names);
    int64_t start = aio_time_now();
    names_fail("silent.test", -ETIMEDOUT);
    AIO_CHECK(aio_time_now() - start >= AIO_MS(200));
    test_wait(asked_four_times, &names);
    AIO_CHECK_EQ(names.asked_udp, 4); /* two families, two tries */
    names_close(&names);
}

/* Where no server is, that is an error of its own. */
BEHAVIOUR(no_server)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    names_close(&names);
    AIO_CHECK_OK(aio_resolve_setup(&options));
    names_fail("four.test", -EHOSTDOWN);
}

/* Of several servers the next one is asked when one is not there, or says nothing in its time. */
BEHAVIOUR(several_servers)
{
    struct names names, mute;
    char servers[2 * AIO_ADDRESS_TEXT_BYTES + 16];
    static const struct names_entry nothing[] = {{.name = "*", .kind = NAMES_SILENT}, {0}};
    if (!names_open(&mute, nothing) || !names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    snprintf(servers, sizeof servers, "127.0.0.1:1,%s,%s", mute.text, names.text);
    options.servers = servers;
    options.timeout_ns = AIO_MS(100);
    REQUIRE_OK(aio_resolve_setup(&options));
    names_give("four.test", "1.2.3.4:80 5.6.7.8:80");
    AIO_CHECK(mute.asked_udp >= 2); /* more when the answer has taken its time */
    AIO_CHECK(names.asked_udp >= 2);
    names_close(&names);
    names_close(&mute);
}

/* What does not fit into a datagram comes by TCP; of very many addresses the first count. */
BEHAVIOUR(truncated)
{
    struct names names;
    struct aio_address found[AIO_RESOLVE_ADDRESSES];
    if (!names_open(&names, table))
        return;
    names_give("long.test", "[2001:db8::9]:80 9.8.7.6:80");
    AIO_CHECK_EQ(names.asked_tcp, 2);
    AIO_CHECK_EQ(aio_resolve_name(found, AIO_RESOLVE_ADDRESSES, "many.test:1", AIO_RESOLVE_ANY),
                 AIO_RESOLVE_ADDRESSES / 2);
    names_close(&names);
}

/* A server that stops in the middle of an answer by TCP is waited for no longer than any other. */
BEHAVIOUR(tcp_stalls)
{
    struct names names;
    struct aio_resolve_options options;
    if (!names_open(&names, table))
        return;
    names_hurry(&names);
    names_fail("mute.test", -ETIMEDOUT);
    AIO_CHECK(names.asked_tcp > 0);
    options = names_options(&names);
    REQUIRE_OK(aio_resolve_setup(&options));
    names_fail("gone.test", -EHOSTDOWN);
    names_give("four.test", "1.2.3.4:80 5.6.7.8:80");
    names_close(&names);
}

/* Answers that make no sense are an error and do no harm; noise before an answer is passed over. */
BEHAVIOUR(malformed)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    names_fail("cut.test", -EBADMSG);
    names_fail("loop.test", -EBADMSG);
    names_give("noise.test", "1.2.3.4:80");
    names_give("fat.test", "[2001:db8::1]:80 1.2.3.4:80"); /* by TCP, in the end */
    names_close(&names);
}

/* Whatever has happened to an answer: it is one all the same, or an error, or is waited for. */
BEHAVIOUR(mutated)
{
    enum { COUNT = 50 };
    struct aio_task *tasks[COUNT];
    struct names names;
    int result = 0;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.cache_entries = AIO_RESOLVE_UNCACHED;
    options.timeout_ns = AIO_MS(10);
    REQUIRE_OK(aio_resolve_setup(&options));
    for (int i = 0; i < COUNT; i++)
        tasks[i] = names_start(i % 2 == 0 ? "mutant.test" : "mutant_alias.test");
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK((result > 0 && result <= AIO_RESOLVE_ADDRESSES) || result == -ENOENT ||
                  result == -ENODATA || result == -EBADMSG || result == -EREMOTEIO ||
                  result == -ETIMEDOUT || result == -EHOSTDOWN);
    }
    options = names_options(&names);
    REQUIRE_OK(aio_resolve_setup(&options));
    names_give("four.test", "1.2.3.4:80 5.6.7.8:80");
    names_close(&names);
}

/* What is no name is refused without asking anybody. */
BEHAVIOUR(bad_names)
{
    struct names names;
    struct aio_address found[1];
    char label[80], longest[300];
    static const char *const texts[] = {
        "",          ":80",          "a",           "a.test",       "a.test:",
        "a.test:x",  "a.test:65536", "a b:80",      "a..test:80",   ".a:80",
        "..:80",     ".:80",         "1.2.3:80",    "1.2.3.400:80", "test.1:80",
        "a.1.:80",   "a/b:80",       "\xc3\xa4:80", "a:80:80",      "[a.test]:80",
        "a.test:-1",
    };
    if (!names_open(&names, table))
        return;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i], ":80") != 0) /* every address there is */
            AIO_CHECK_ERROR(aio_resolve_name(found, 1, texts[i], AIO_RESOLVE_ANY), -EINVAL);
    AIO_CHECK_ERROR(aio_resolve_name(found, 1, NULL, AIO_RESOLVE_ANY), -EINVAL);
    memset(label, 'a', sizeof label);
    memcpy(label + 64, ":80", 4);
    AIO_CHECK_ERROR(aio_resolve_name(found, 1, label, AIO_RESOLVE_ANY), -EINVAL);
    AIO_CHECK_ERROR(aio_resolve_name(found, 1, label + 1, AIO_RESOLVE_ANY), -ENOENT);
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 2 == 0 ? 'a' : '.';
    memcpy(longest + 255, ":80", 4);
    AIO_CHECK_ERROR(aio_resolve_name(found, 1, longest, AIO_RESOLVE_ANY), -EINVAL);
    AIO_CHECK_ERROR(aio_resolve_name(found, 1, longest + 2, AIO_RESOLVE_ANY), -ENOENT);
    AIO_CHECK_EQ(names.asked_udp, 4);
    names_close(&names);
}

/* Numbers are their own addresses, and nobody is asked. */
BEHAVIOUR(numeric)
{
    struct aio_address found[2];
    AIO_CHECK_EQ(aio_resolve_name(found, 2, "[::1]:80", AIO_RESOLVE_ANY), 1);
    AIO_CHECK_EQ(found[0].any.sa_family, AF_INET6);
    AIO_CHECK_EQ(aio_resolve_name(found, 2, "127.0.0.1:80", AIO_RESOLVE_V4), 1);
    AIO_CHECK_ERROR(aio_resolve_name(found, 2, "127.0.0.1:80", AIO_RESOLVE_V6), -ENODATA);
    AIO_CHECK_ERROR(aio_resolve_name(found, 2, "[fe80::1%nosuchthing]:1", AIO_RESOLVE_ANY),
                    -ENODEV);
}

/* A socket that cannot be watched ends the lookup, and says why. */
BEHAVIOUR(unwatchable)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    tcp_settle(); /* the server watches its own sockets already */
    if (test_fail_next("poll", -ENOMEM, 1))
        names_fail("six.test", -ENOMEM);
    names_give("six.test", "[2001:db8::7]:80");
    names_close(&names);
}
