/*
 * The stub name server and its table, see names_support.h.
 */
#define SUITE "names"
#include "tests/behaviour/names_support.h"

#include <aio/poll.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, PACKET = 4096, HEADER = 12 };

struct packet {
    unsigned char bytes[PACKET];
    size_t length;
    struct sockaddr_in from;
};

static void put(struct packet *packet, const void *bytes, size_t size)
{
    if (packet->length + size <= PACKET) {
        memcpy(packet->bytes + packet->length, bytes, size);
        packet->length += size;
    }
}

static void put_number(struct packet *packet, uint32_t number, int size)
{
    unsigned char bytes[4];
    for (int i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number >> 8 * (size - 1 - i));
    put(packet, bytes, (size_t)size);
}

static void put_name(struct packet *packet, const char *name)
{
    while (*name != '\0') {
        size_t label = strcspn(name, ".");
        put_number(packet, (uint32_t)label, 1);
        put(packet, name, label);
        name += label + (name[label] == '.');
    }
    put_number(packet, 0, 1);
}

/* The question's name, lower-case, with dots. Returns where its type stands; 0: no question. */
static size_t question(const struct packet *packet, char name[256])
{
    size_t at = HEADER, length = 0;
    while (at < packet->length && packet->bytes[at] != 0) {
        size_t label = packet->bytes[at++];
        if (label > 63 || at + label >= packet->length || length + label + 1 >= 256)
            return 0;
        for (size_t i = 0; i < label; i++)
            name[length++] = (char)tolower(packet->bytes[at + i]);
        name[length++] = '.';
        at += label;
    }
    name[length > 0 ? length - 1 : 0] = '\0';
    return at + 5 <= packet->length ? at + 1 : 0;
}

static const struct names_entry *find_entry(const struct names *names, const char *name)
{
    const struct names_entry *entry = names->entries;
    while (entry->name != NULL && strcmp(entry->name, name) != 0 && strcmp(entry->name, "*") != 0)
        entry++;
    return entry->name != NULL ? entry : NULL;
}

static void begin_record(struct packet *packet, int type, uint32_t ttl)
{
    put_number(packet, (uint32_t)type, 2);
    put_number(packet, 1, 2);
    put_number(packet, ttl, 4);
}

/* Appends a record for each address. Returns how many. */
static int put_addresses(struct packet *packet, const struct names_entry *entry, bool v6)
{
    const char *text = v6 ? entry->v6 : entry->v4;
    int count = 0;
    while (text != NULL && *text != '\0') {
        char one[64] = "";
        unsigned char address[16];
        size_t length = strcspn(text, " ");
        memcpy(one, text, length);
        if (entry->alias != NULL)
            put_name(packet, entry->alias);
        else
            put_number(packet, 0xc000 | HEADER, 2);
        begin_record(packet, v6 ? TYPE_AAAA : TYPE_A, entry->ttl);
        put_number(packet, v6 ? 16 : 4, 2);
        AIO_CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, one, address) == 1);
        put(packet, address, v6 ? 16 : 4);
        text += length + (text[length] == ' ');
        count++;
    }
    return count;
}

static int put_alias(struct packet *packet, const struct names_entry *entry)
{
    struct packet name = {.length = 0};
    if (entry->alias == NULL)
        return 0;
    put_name(&name, entry->alias);
    put_number(packet, 0xc000 | HEADER, 2);
    begin_record(packet, TYPE_CNAME, entry->brief_alias ? 0 : entry->ttl);
    put_number(packet, (uint32_t)name.length, 2);
    put(packet, name.bytes, name.length);
    return 1;
}

/* One record with a name that points to itself. */
static int put_loop(struct packet *packet)
{
    put_number(packet, 0xc000 | (uint32_t)packet->length, 2);
    begin_record(packet, TYPE_A, 60);
    put_number(packet, 4, 2);
    put_number(packet, 0x7f000001, 4);
    return 1;
}

/* Anywhere but in the number, without which nobody looks at the rest. */
static void mutate(struct packet *packet)
{
    static const unsigned char likely[] = {0, 1, 0x3f, 0xc0, 0x0c, 0xff};
    for (uint64_t left = 1 + test_random() % 4; left > 0; left--) {
        size_t at = 2 + test_random() % (packet->length - 2);
        uint64_t pick = test_random() % (2 * sizeof likely);
        packet->bytes[at] = pick < sizeof likely ? likely[pick] : (unsigned char)test_random();
    }
    if (test_random() % 4 == 0)
        packet->length = HEADER + test_random() % (packet->length - HEADER);
    else if (test_random() % 8 == 0)
        packet->length += test_random() % 100;
}

static void set_flags(struct packet *packet, bool truncated, int code, int answers)
{
    packet->bytes[2] = (unsigned char)(0x81 | (truncated ? 2 : 0)); /* an answer; recursion */
    packet->bytes[3] = (unsigned char)(0x80 | code);
    packet->bytes[6] = (unsigned char)(answers >> 8);
    packet->bytes[7] = (unsigned char)answers;
    memset(packet->bytes + 8, 0, 4);
}

static enum names_kind kind_of(const struct names_entry *entry, bool v6)
{
    return v6 && entry->v6_kind != NAMES_GIVE ? entry->v6_kind : entry->kind;
}

static bool wants_tcp(enum names_kind kind)
{
    return kind == NAMES_TRUNCATE || kind == NAMES_TCP_MUTE || kind == NAMES_TCP_CUT;
}

/* Turns the question into its answer, as the table says. */
static void answer(struct packet *packet, const struct names_entry *entry, size_t type_at,
                   bool by_tcp)
{
    bool v6 = packet->bytes[type_at + 1] == TYPE_AAAA;
    int count = 0, code = 0;
    packet->length = type_at + 4;
    enum names_kind kind = entry != NULL ? kind_of(entry, v6) : NAMES_GIVE;
    bool truncated = wants_tcp(kind) && !by_tcp;
    if (entry == NULL)
        code = 3;
    else if (kind == NAMES_FAIL || kind == NAMES_REFUSE)
        code = kind == NAMES_FAIL ? 2 : 5;
    else if (kind == NAMES_LOOP)
        count = put_loop(packet);
    else if (!truncated)
        count = put_alias(packet, entry) + put_addresses(packet, entry, v6);
    set_flags(packet, truncated, code, count);
    if (kind == NAMES_CUT && packet->length > 3)
        packet->length -= 3;
    if (kind == NAMES_MUTATED)
        mutate(packet);
    if (kind == NAMES_OVERSIZED)
        packet->length = 3000; /* with zeros behind */
}

static void send_answer(struct names *names, const struct packet *packet)
{
    (void)sendto(names->udp, packet->bytes, packet->length, MSG_NOSIGNAL,
                 (const struct sockaddr *)&packet->from, sizeof packet->from);
}

/* Nothing, too little, the question itself, somebody else's answer, and random bytes. */
static void send_garbage(struct names *names, struct packet garbage)
{
    size_t length = garbage.length;
    for (garbage.length = 0; garbage.length < length; garbage.length += 1 + length / 8)
        send_answer(names, &garbage);
    garbage.length = length;
    send_answer(names, &garbage);
    garbage.bytes[0] ^= 1;
    send_answer(names, &garbage);
    for (size_t i = 2; i < length; i++)
        garbage.bytes[i] = (unsigned char)test_random();
    send_answer(names, &garbage);
}

struct delayed {
    struct names *names;
    struct packet packet;
    int64_t delay_ns;
};

static int delayed_run(void *arg)
{
    struct delayed *delayed = arg;
    if (aio_time_sleep(delayed->delay_ns) == 0)
        send_answer(delayed->names, &delayed->packet);
    delayed->names->delayed--;
    free(delayed);
    return 0;
}

static void send_later(struct names *names, const struct packet *packet, int64_t delay_ns)
{
    struct delayed *delayed = malloc(sizeof *delayed);
    if (!AIO_CHECK(delayed != NULL))
        return;
    *delayed = (struct delayed){names, *packet, delay_ns};
    names->delayed++;
    AIO_CHECK_OK(aio_task_spawn(NULL, delayed_run, delayed, NULL));
}

static void serve_packet(struct names *names, struct packet *packet)
{
    char name[256];
    size_t type_at = question(packet, name);
    if (!AIO_CHECK(type_at > 0))
        return;
    const struct names_entry *entry = find_entry(names, name);
    bool v6 = packet->bytes[type_at + 1] == TYPE_AAAA;
    names->asked_udp++;
    if (entry != NULL && kind_of(entry, v6) == NAMES_SILENT)
        return;
    if (entry != NULL && kind_of(entry, v6) == NAMES_GARBAGE)
        send_garbage(names, *packet);
    answer(packet, entry, type_at, false);
    int64_t delay_ns = entry == NULL ? 0 : v6 ? entry->v6_delay_ns : entry->v4_delay_ns;
    if (delay_ns > 0)
        send_later(names, packet, delay_ns);
    else
        send_answer(names, packet);
}

static int serve_udp(void *arg)
{
    struct names *names = arg;
    int rc;
    while ((rc = aio_poll_wait(names->udp, POLLIN)) >= 0) {
        struct packet packet = {.length = 0};
        socklen_t length = sizeof packet.from;
        ssize_t size = recvfrom(names->udp, packet.bytes, PACKET, MSG_DONTWAIT,
                                (struct sockaddr *)&packet.from, &length);
        packet.length = size > 0 ? (size_t)size : 0;
        if (packet.length > HEADER)
            serve_packet(names, &packet);
    }
    return rc;
}

/* One question and its answer, each with its length before it. */
static void serve_connection(struct names *names, int fd)
{
    struct packet packet = {.length = 0};
    char name[256];
    unsigned char head[2];
    if (!tcp_plain_receive(fd, head, 2))
        return;
    packet.length = (size_t)head[0] << 8 | head[1];
    if (!AIO_CHECK(packet.length <= PACKET) || !tcp_plain_receive(fd, packet.bytes, packet.length))
        return;
    size_t type_at = question(&packet, name);
    const struct names_entry *entry = find_entry(names, name);
    names->asked_tcp++;
    answer(&packet, entry, type_at, true);
    head[0] = (unsigned char)(packet.length >> 8);
    head[1] = (unsigned char)packet.length;
    bool part = entry != NULL && (entry->kind == NAMES_TCP_MUTE || entry->kind == NAMES_TCP_CUT);
    (void)send(fd, head, 2, MSG_NOSIGNAL);
    (void)send(fd, packet.bytes, packet.length / (part ? 2 : 1), MSG_NOSIGNAL);
    if (part && entry->kind == NAMES_TCP_CUT)
        (void)shutdown(fd, SHUT_RDWR);
}

/* Two questions may come by one connection. */
static int serve_tcp(void *arg)
{
    struct names *names = arg;
    int rc;
    while ((rc = aio_poll_wait(names->tcp, POLLIN)) >= 0) {
        int fd = accept4(names->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        char next;
        if (fd < 0)
            continue;
        while ((rc = aio_poll_wait(fd, POLLIN)) >= 0 && recv(fd, &next, 1, MSG_PEEK) == 1)
            serve_connection(names, fd);
        close(fd);
    }
    return rc;
}

/* UDP and TCP at the same port of the kernel's choice. */
static bool open_sockets(struct names *names)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    struct aio_address address = {.length = sizeof at};
    names->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    names->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = bind(names->udp, (const struct sockaddr *)&at, sizeof at) == 0 &&
                getsockname(names->udp, (struct sockaddr *)&at, &length) == 0 &&
                bind(names->tcp, (const struct sockaddr *)&at, sizeof at) == 0 &&
                listen(names->tcp, 16) == 0;
    address.v4 = at;
    if (good && aio_address_format(&address, names->text, sizeof names->text) > 0)
        return true;
    close(names->udp);
    close(names->tcp);
    return false;
}

struct aio_resolve_options names_options(const struct names *names)
{
    struct aio_resolve_options options = AIO_RESOLVE_OPTIONS;
    options.servers = names->text;
    options.hosts = "/nonexistent/hosts";
    options.timeout_ns = AIO_SEC(5); /* the server may be kept waiting */
    options.tries = 2;
    return options;
}

void names_hurry(const struct names *names)
{
    struct aio_resolve_options options = names_options(names);
    options.timeout_ns = AIO_MS(100);
    AIO_CHECK_OK(aio_resolve_setup(&options));
}

bool names_open(struct names *names, const struct names_entry *entries)
{
    *names = (struct names){.entries = entries};
    int left = 50; /* somebody may have the port already, of TCP */
    while (!open_sockets(names) && left > 0)
        left--;
    if (!AIO_CHECK(left > 0))
        return false;
    struct aio_resolve_options options = names_options(names);
    int rc = aio_resolve_setup(&options);
    if (rc == -ENOSYS) {
        aio_test_skip("there is no c-ares in this build");
        close(names->udp);
        close(names->tcp);
        return false;
    }
    return AIO_CHECK_OK(rc) &&
           AIO_CHECK_OK(aio_task_spawn(&names->udp_task, serve_udp, names, NULL)) &&
           AIO_CHECK_OK(aio_task_spawn(&names->tcp_task, serve_tcp, names, NULL));
}

static bool none_delayed(void *arg)
{
    return ((const struct names *)arg)->delayed == 0;
}

void names_close(struct names *names)
{
    test_wait(none_delayed, names);
    aio_task_cancel(names->udp_task);
    aio_task_cancel(names->tcp_task);
    AIO_CHECK_OK(aio_task_join(names->udp_task, NULL));
    AIO_CHECK_OK(aio_task_join(names->tcp_task, NULL));
    close(names->udp);
    close(names->tcp);
}

static int resolve(const char *name, struct aio_address *out)
{
    char text[300];
    size_t length = strlen(name);
    memcpy(text, name, length);
    memcpy(text + length, ":80", 4);
    return aio_resolve_name(out, AIO_RESOLVE_ADDRESSES, text, AIO_RESOLVE_ANY);
}

void names_give(const char *name, const char *addresses)
{
    struct aio_address found[AIO_RESOLVE_ADDRESSES];
    char all[AIO_RESOLVE_ADDRESSES * AIO_ADDRESS_TEXT_BYTES] = "";
    size_t length = 0;
    int count = resolve(name, found);
    AIO_CHECK_OK(count);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            all[length++] = ' ';
        int rc = aio_address_format(&found[i], all + length, sizeof all - length);
        length += AIO_CHECK_OK(rc) ? (size_t)rc : 0;
    }
    AIO_CHECK_STR(all, addresses);
}

void names_fail(const char *name, int error)
{
    struct aio_address found[AIO_RESOLVE_ADDRESSES];
    AIO_CHECK_ERROR(resolve(name, found), error);
}

static int resolve_task(void *arg)
{
    struct aio_address found[AIO_RESOLVE_ADDRESSES];
    return resolve(arg, found);
}

struct aio_task *names_start(const char *name)
{
    struct aio_task *task = NULL;
    AIO_CHECK_OK(aio_task_spawn(&task, resolve_task, (void *)(uintptr_t)name, NULL));
    return task;
}
