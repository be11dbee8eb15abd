/*
 * Hosts files: whatever stands in one, looking a name up does no harm, and what is found is
 * bounded and of the family that was asked for.
 */
#include "tests/fuzz/fuzz.h"

#include "net/resolve.h"

#include "core/alloc.h"

/* The file is not there, so what it had is taken for what it has. */
#define NO_FILE "/nonexistent/hosts"

static void look_up(struct aio__hosts *hosts, const char *host)
{
    struct aio__answer answers[2] = {{.family = AF_INET6, .pending = true},
                                     {.family = AF_INET, .pending = true}};
    int rc = aio__hosts_find(hosts, NO_FILE, host, answers);
    FUZZ_CHECK(rc == 0 || rc == 1);
    for (int i = 0; i < 2; i++)
        FUZZ_CHECK(answers[i].count <= (rc == 1 ? AIO__ANSWER_MAX : 0));
    FUZZ_CHECK(rc == 0 || strcasestr(hosts->text, "host") != NULL);
}

FUZZ_TARGET(hosts)
{
    struct aio__hosts hosts = {.text = aio__alloc(size + 1)};
    FUZZ_CHECK(hosts.text != NULL);
    if (size > 0)
        memcpy(hosts.text, data, size);
    hosts.text[size] = '\0';
    look_up(&hosts, "host");
    look_up(&hosts, "host.");
    look_up(&hosts, "x.host");
    aio__hosts_free(&hosts);
    return 0;
}
