/*
 * UDP: multicast over the loopback interface.
 */
#define SUITE "udp_multicast"
#include "tests/behaviour/packet_support.h"
#include "tests/behaviour/task_tools.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct group {
    const char *any;
    char text[32];
};

/* A group of this process alone: a socket at the wildcard address also hears what others of the
 * machine have joined, see IP_MULTICAST_ALL in ip(7). */
static struct group group_v4(void)
{
    struct group group = {.any = "*:0"};
    unsigned pid = (unsigned)getpid();
    (void)snprintf(group.text, sizeof group.text, "239.255.%u.%u:0", pid >> 8 & 255, pid & 255);
    return group;
}

static struct group group_v6(void)
{
    struct group group = {.any = "[::]:0"};
    (void)snprintf(group.text, sizeof group.text, "[ff01::77:%x]:0", (unsigned)getpid() & 0xffff);
    return group;
}

/* An interface that such a group has a route by: the loopback, or the one of the default route. It
 * is tried with an empty packet to the discard port: at the group's own it could still arrive after
 * the join. */
static int interface_for(struct aio_socket *sender, const struct aio_address *group)
{
    struct aio_address to = *group;
    to.v4.sin_port = htons(9);
    struct if_nameindex *all = if_nameindex();
    int found = -1;
    for (int i = 0; all != NULL && found < 0 && all[i].if_index != 0; i++) {
        int index = (int)all[i].if_index;
        if (aio_socket_option_set(sender, AIO_SOCKET_MULTICAST_INTERFACE, index) == 0 &&
            aio_socket_send_to(sender, "", 0, &to) == 0)
            found = index;
    }
    if_freenameindex(all);
    return found;
}

/* A member receives, one that has left does not. */
static void join_and_leave(const struct group *group)
{
    struct aio_address to, at;
    struct aio_socket *member = udp_bound(group->any, &at, NULL);
    struct aio_socket *sender = udp_bound(group->any, &(struct aio_address){0}, NULL);
    REQUIRE(member != NULL && sender != NULL);
    REQUIRE_OK(aio_address_parse(&to, group->text));
    to.v4.sin_port = at.v4.sin_port; /* at the same place for both families */
    int interface = interface_for(sender, &to);
    if (interface < 0) {
        aio_socket_close(member);
        aio_socket_close(sender);
        aio_test_skip("no interface has a route for multicast");
        return;
    }
    AIO_CHECK_OK(aio_socket_option_set(sender, AIO_SOCKET_MULTICAST_LOOP, 1));
    AIO_CHECK_OK(aio_socket_option_set(sender, AIO_SOCKET_MULTICAST_HOPS, 1));
    REQUIRE_OK(aio_udp_join(member, &to, interface));
    AIO_CHECK_ERROR(aio_udp_join(member, &to, interface), -EADDRINUSE);
    AIO_CHECK_EQ(aio_socket_send_to(sender, "group", 5, &to), 5);
    packet_expect(member, "group");
    AIO_CHECK_OK(aio_udp_leave(member, &to, interface));
    AIO_CHECK_ERROR(aio_udp_leave(member, &to, interface), -EADDRNOTAVAIL);
    AIO_CHECK_EQ(aio_socket_send_to(sender, "gone", 4, &to), 4);
    struct packet_call call = {.socket = member, .timeout_ns = AIO_MS(5)};
    REQUIRE(packet_call_start(&call));
    AIO_CHECK_ERROR(packet_call_join(&call), -ETIMEDOUT);
    aio_socket_close(member);
    aio_socket_close(sender);
}

BEHAVIOUR(over_v4)
{
    struct group group = group_v4();
    join_and_leave(&group);
}

BEHAVIOUR(over_v6)
{
    struct group group = group_v6();
    join_and_leave(&group);
}

/* Several sockets of one address are members, and each gets its copy. */
BEHAVIOUR(copies_for_all)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_address to, at;
    struct aio_socket *first, *second;
    char text[AIO_ADDRESS_TEXT_BYTES];
    int lo = (int)if_nametoindex("lo");
    options.reuseaddr = true;
    REQUIRE_OK(aio_udp_bind(&first, "*:0", &options));
    AIO_CHECK_OK(aio_socket_local(first, &at));
    AIO_CHECK_OK(aio_address_format(&at, text, sizeof text));
    REQUIRE_OK(aio_udp_bind(&second, text, &options));
    struct group group = group_v4();
    REQUIRE_OK(aio_address_parse(&to, group.text));
    to.v4.sin_port = at.v4.sin_port;
    AIO_CHECK_OK(aio_udp_join(first, &to, lo));
    AIO_CHECK_OK(aio_udp_join(second, &to, lo));
    AIO_CHECK_OK(aio_socket_option_set(first, AIO_SOCKET_MULTICAST_INTERFACE, lo));
    AIO_CHECK_EQ(aio_socket_send_to(first, "all", 3, &to), 3);
    packet_expect(first, "all");
    packet_expect(second, "all");
    aio_socket_close(first);
    aio_socket_close(second);
}

BEHAVIOUR(bad_memberships)
{
    struct aio_address at, single;
    struct aio_address none = {.length = 0};
    struct aio_socket *socket = udp_bound("*:0", &at, NULL);
    REQUIRE(socket != NULL);
    REQUIRE_OK(aio_address_parse(&single, "127.0.0.1:1"));
    AIO_CHECK_ERROR(aio_udp_join(socket, &single, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_join(socket, &none, 1), -EINVAL);
    struct group group = group_v4();
    REQUIRE_OK(aio_address_parse(&at, group.text));
    AIO_CHECK_ERROR(aio_udp_join(socket, &at, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_join(socket, &at, 1 << 20), -ENODEV);
    aio_socket_close(socket);
}

/* IPv6 may have no address to send from either. */
static bool is_unreachable(ssize_t result)
{
    return AIO_CHECK(result == -ENETUNREACH || result == -EADDRNOTAVAIL);
}

/* Where there is no route at all every call says so, and the socket is as good as before. */
static bool is_refused(const char *wildcard, const struct group *group)
{
    struct aio_address to, at;
    struct aio_buffer *buffer;
    struct aio_socket *socket = udp_bound(wildcard, &at, NULL);
    int lo = (int)if_nametoindex("lo");
    if (socket == NULL || !AIO_CHECK_OK(aio_address_parse(&to, group->text)) ||
        !AIO_CHECK_OK(aio_buffer_rent(&buffer)))
        return false;
    to.v4.sin_port = at.v4.sin_port;
    bool good = AIO_CHECK_ERROR(aio_udp_join(socket, &to, 0), -ENODEV);
    good &= is_unreachable(aio_socket_send_to(socket, "lost", 4, &to));
    good &= is_unreachable(aio_udp_send_run(socket, "lost", 4, 2, &to));
    good &= AIO_CHECK_OK(aio_socket_give(socket, buffer, &to));
    good &= is_unreachable(aio_socket_flush(socket));
    good &= AIO_CHECK_OK(aio_socket_flush(socket));
    good &= AIO_CHECK_OK(aio_udp_join(socket, &to, lo));
    good &= AIO_CHECK_OK(aio_udp_leave(socket, &to, lo));
    aio_socket_close(socket);
    return good;
}

static int try_without_route(void *unused)
{
    struct group v4 = group_v4(), v6 = group_v6();
    (void)unused;
    return is_refused(v4.any, &v4) && is_refused(v6.any, &v6) ? 0 : 1;
}

enum { FORBIDDEN = 77 };

static int enter_empty_network(void *unused)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return FORBIDDEN;
    return test_run(try_without_route, unused);
}

BEHAVIOUR_OUTSIDE(no_route)
{
    struct child child;
    REQUIRE(child_run(&child, enter_empty_network, NULL));
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == FORBIDDEN)
        aio_test_skip("a network namespace may not be made");
    else
        AIO_CHECK(child_exited(&child, 0));
}
