/*
 * Clauses 11 and 12: capability lists, opening and closing.
 */
#define SUITE "opening"
#include "tests/contract/fixture.h"

#include "backends/caps.h"
#include "tests/harness/internal.h"

CONTRACT(contract_11_capability_lists)
{
    static const struct aio__cap table[] = {{"red", 1}, {"green", 2}, {"blue", 4}, {NULL, 0}};
    static const struct {
        const char *text;
        uint32_t bits;
    } cases[] = {
        {"all", 7},         {"none", 0},       {"red", 1},       {"red,blue", 5},
        {"all,-green", 5},  {"-green", 5},     {"none,blue", 4}, {"all,-red,-blue", 2},
        {"red,-red", 0},    {"all,-other", 7}, {"other", 0},     {"none,other,green", 2},
        {"-red,-green", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!AIO_CHECK_EQ(aio__caps_parse(cases[i].text, table), cases[i].bits))
            aio_test_fail(__FILE__, __LINE__, "the list is \"%s\"", cases[i].text);
}

CONTRACT(contract_11_unknown_capabilities_are_named)
{
    const char *unknown = NULL;
    int length = 0;
    AIO_CHECK_EQ(aio__caps_check("all", &unknown, &length), 0);
    AIO_CHECK_EQ(aio__caps_check("none", &unknown, &length), 0);
    for (const struct aio__cap *cap = aio__uring_cap_table; cap->name != NULL; cap++)
        AIO_CHECK_EQ(aio__caps_check(cap->name, &unknown, &length), 0);
    AIO_CHECK_ERROR(aio__caps_check("all,-defer_tskrun,none", &unknown, &length), -EINVAL);
    if (AIO_CHECK(unknown != NULL))
        AIO_CHECK(length == 12 && strncmp(unknown, "defer_tskrun", 12) == 0);
}

static struct aio__backend *open_another(const char *caps, struct aio__explain *explain)
{
    static struct aio__offload_port port;
    struct aio__backend *backend = NULL;
    struct aio__backend_params params = {
        .ring_entries = 64, .caps = caps, .offload = &port, .explain = explain};
    explain->length = 0;
    AIO_CHECK_OK(aio__backend_choose(&backend, test_row()->backend, &params));
    return backend;
}

/* A socket round trip on a backend that is not the fixture's. */
static void round_trip(struct aio__backend *backend)
{
    int fds[2];
    char byte = 0;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    backend->vtable->submit(backend, &op);
    backend->vtable->poll(backend, 0);
    fd_writes(fds[1], "x", 1);
    while (aio__op_list_empty(&backend->done))
        backend->vtable->poll(backend, aio_time_now() + AIO_SEC(1));
    AIO_CHECK(aio__op_list_pop(&backend->done) == &op);
    AIO_CHECK_EQ(op.result, 1);
    op = op_make(AIO__OP_FORGET, fds[0]);
    backend->vtable->submit(backend, &op);
    AIO_CHECK(aio__op_list_pop(&backend->done) == &op);
    close(fds[0]);
    close(fds[1]);
}

/* Each capability of both tables removed, and alone: the meaning stays the same. */
CONTRACT(contract_11_every_capability_masked)
{
    static const struct aio__cap *const tables[] = {aio__uring_cap_table, aio__ev_cap_table};
    struct aio__explain explain;
    char list[64];
    for (int i = 0; i < 4; i++) {
        for (const struct aio__cap *cap = tables[i % 2]; cap->name != NULL; cap++) {
            snprintf(list, sizeof list, i < 2 ? "all,-%s" : "%s", cap->name);
            struct aio__backend *backend = open_another(list, &explain);
            REQUIRE(backend != NULL);
            round_trip(backend);
            backend->vtable->close(backend);
        }
    }
}

CONTRACT(contract_12_close_frees_all)
{
    struct aio__explain explain;
    for (int i = 0; i < 30; i++) {
        struct aio__backend *backend = open_another(test_row()->caps, &explain);
        REQUIRE(backend != NULL);
        if (i % 2 == 0)
            round_trip(backend);
        if (i % 3 == 0)
            backend->vtable->wakeup(backend);
        backend->vtable->close(backend); /* what is left is the leak check's */
    }
    AIO_CHECK(strstr(explain.text, test_row()->backend) != NULL);
}

CONTRACT(two_backends_do_not_disturb_each_other)
{
    struct aio__explain explain;
    struct aio__backend *backend = open_another(test_row()->caps, &explain);
    int fds[2];
    char byte;
    REQUIRE(backend != NULL && fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    round_trip(backend);
    backend->vtable->close(backend);
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&op), 1);
    fd_close_pair(fds);
}
