/* The yardstick of datagrams: a raw level-triggered epoll loop that receives as many as are there
 * by recvmmsg and sends them back by sendmmsg, all in warm buffers. What a full socket does not
 * take is dropped, as the network would. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/epoll.h>

#include "bench/baselines/baseline.h"

enum { BATCH = 64, DATAGRAM_BYTES = 65536, SKEW_BYTES = 1088 };

/* Not as far apart as a power of two: the beginnings would fall on the same few cache sets. */
static char bytes[BATCH][DATAGRAM_BYTES + SKEW_BYTES];
static struct sockaddr_in names[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

static void prepare(void)
{
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){bytes[i], DATAGRAM_BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
                                              .msg_namelen = sizeof names[i],
                                              .msg_iov = &vectors[i],
                                              .msg_iovlen = 1};
    }
}

static void send_back(int fd, int count)
{
    for (int i = 0; i < count; i++)
        vectors[i].iov_len = messages[i].msg_len;
    for (int sent = 0, rc; sent<count; sent += rc> 0 ? rc : 1)
        rc = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0);
    for (int i = 0; i < count; i++) {
        vectors[i].iov_len = DATAGRAM_BYTES;
        messages[i].msg_hdr.msg_namelen = sizeof names[i];
    }
}

/* Fewer than there is room for are all. */
static void echo(int fd)
{
    int count;

    do {
        count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        send_back(fd, count);
    } while (count == BATCH);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        baseline_die("epoll_ctl", errno);
}

int main(int argc, char **argv)
{
    struct epoll_event events[2];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int stop = baseline_signals(), fd = baseline_udp(argc, argv);

    prepare();
    watch(epoll, stop);
    watch(epoll, fd);
    for (;;) {
        int count = epoll_wait(epoll, events, 2, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == stop)
                return 0;
            echo(fd);
        }
    }
}
