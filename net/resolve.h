/*
 * How a name becomes addresses: a lookup, in the frame of the task that wants it, takes the answers
 * for its two families from the hosts file, the core's cache, or name servers. Whoever waits for
 * one may use the first answer while the other is still to come.
 */
#ifndef AIO_NET_RESOLVE_H
#define AIO_NET_RESOLVE_H

#include "net/bell.h"

#include <aio/resolve.h>
#include <aio/sync.h>
#include <sys/types.h>
#include <time.h>

/* Bytes of a name and its NUL. */
#define AIO__NAME_BYTES 256
/* Addresses of one family. */
#define AIO__ANSWER_MAX (AIO_RESOLVE_ADDRESSES / 2)

/* A name that has been read, with its letters lower-case. */
struct aio__name {
    char host[AIO__NAME_BYTES];
    in_port_t port; /* in network order */
};

/* Reads "host:port". Returns 0; -EINVAL when the host is no name. */
int aio__name_parse(struct aio__name *out, const char *text);

union aio__host {
    struct in_addr v4;
    struct in6_addr v6;
};

/* What is known of a name's addresses of one family. */
struct aio__answer {
    struct aio__lookup *lookup;
    int family;
    bool pending;
    int error; /* 0, or why there are none */
    uint32_t count;
    union aio__host hosts[AIO__ANSWER_MAX];
};

/* Adds an address; more than there is room for are left out. */
void aio__answer_add(struct aio__answer *answer, const void *address);

/* Which version of a file was read; all zero: none, or it is not there. */
struct aio__stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct aio__stamp aio__stamp_read(const char *path);
bool aio__stamp_same(const struct aio__stamp *left, const struct aio__stamp *right);

/* What cannot be opened for another reason than a shortage may as well not be there. */
#define AIO__FILE_ABSENT (-ENOENT)

/* Opens a file to read it. Returns the descriptor; AIO__FILE_ABSENT; -EMFILE, -ENFILE, -ENOMEM. */
int aio__file_open(const char *path);

/* resolve_hosts.c */
struct aio__hosts {
    char *text;
    struct aio__stamp stamp;
};

/* Fills in both answers if the file names the host. Returns whether it does; -EMFILE, -ENFILE,
 * -ENOMEM. */
int aio__hosts_find(struct aio__hosts *hosts, const char *path, const char *host,
                    struct aio__answer answers[2]);
void aio__hosts_free(struct aio__hosts *hosts);

/* resolve_cache.c: answers by name and family, those used last first. */
struct aio__cache {
    struct aio__cached **buckets; /* NULL: nothing has been stored */
    uint32_t mask;
    uint32_t count;
    uint32_t limit;
    struct aio__cached *first;
    struct aio__cached *last;
};

/* Fills in the answer if it is known and not too old. Returns whether that is so. */
bool aio__cache_find(struct aio__cache *cache, const char *host, struct aio__answer *answer,
                     int64_t now_ns);

/* Keeps the answer until the time comes. Without memory it is not kept. */
void aio__cache_store(struct aio__cache *cache, const char *host, const struct aio__answer *answer,
                      int64_t until_ns);
void aio__cache_free(struct aio__cache *cache);

/* resolve_dns.c: a channel to name servers, for one lookup at a time. */
struct aio__dns;

int aio__dns_open(struct aio__dns **out, const struct aio_resolve_options *options);
void aio__dns_free(struct aio__dns *dns); /* while it is quiet */

/* Asks for the pending answers of a lookup; they come by aio__lookup_answered. */
void aio__dns_ask(struct aio__dns *dns, struct aio__lookup *lookup);

/* Does what can be done without waiting. */
void aio__dns_turn(struct aio__dns *dns);

/* When to take a turn if the bell does not ring before. */
int64_t aio__dns_next(struct aio__dns *dns);

/* Gives up what is pending. The channel is quiet some rings of the bell later. */
void aio__dns_cancel(struct aio__dns *dns);
bool aio__dns_quiet(const struct aio__dns *dns);

/* Whether its name servers may be out of date. */
bool aio__dns_stale(const struct aio__dns *dns);

enum { AIO__DNS_IDLE = 8 };

/* A core's. */
struct aio__resolver {
    struct aio_resolve_options options; /* settled; texts are copies */
    struct aio_semaphore permits;       /* of lookups that ask servers */
    struct aio__dns *idle[AIO__DNS_IDLE];
    uint32_t idle_count;
    struct aio__cache cache;
    struct aio__hosts hosts;
};

/* The core's resolver, made if there is none yet. Returns 0; -ENOMEM. */
int aio__resolver_get(struct aio__resolver **out, struct aio__core *core);

enum { AIO__V6, AIO__V4 }; /* the answers of a lookup */

struct aio__lookup {
    struct aio__resolver *resolver;
    struct aio__bell *bell; /* of whoever waits */
    struct aio__dns *dns;   /* NULL: no server is asked, or not any more */
    const char *host;
    struct aio__answer answers[2];
};

/* Begins a lookup. Returns 0, or -errno with nothing to end. */
int aio__lookup_begin(struct aio__lookup *lookup, struct aio__bell *bell, const char *host,
                      enum aio_resolve_family family);

/* Moves it on; to be called whenever the bell has rung. Returns when to call it next. */
int64_t aio__lookup_turn(struct aio__lookup *lookup);

bool aio__lookup_pending(const struct aio__lookup *lookup);

/* Ends it, whatever is pending. Suspends, shielded, until nothing of it is left. */
void aio__lookup_end(struct aio__lookup *lookup);

/* Why there are no addresses at all. */
int aio__lookup_error(const struct aio__lookup *lookup);

/* The answer has come: error and addresses stand in it, good for that time. */
void aio__lookup_answered(struct aio__answer *answer, int error, int64_t ttl_ns);

/* An address of an answer as a socket address. */
struct aio_address aio__answer_address(const struct aio__answer *answer, uint32_t index,
                                       in_port_t port);

#endif
