/*
 * A network of the process's own. A port that was free a moment ago, or whose listener has just
 * closed, is free still: no other process is there that could have been given it meanwhile.
 */
#include "tests/harness/internal.h"

#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Groups of IPv6 are not heard on a loopback: they need an interface of the host's. */
static const char needs_the_host[] = "udp_multicast";

static bool loopback_up(void)
{
    struct ifreq link = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int rc = ioctl(fd, SIOCSIFFLAGS, &link);
    close(fd);
    return rc == 0;
}

bool test_network_enter(const char *suite)
{
    return strcmp(suite, needs_the_host) == 0 || unshare(CLONE_NEWNET) < 0 || loopback_up();
}
