/*
 * <aio/resolve.h>: names: from "host:port" to addresses.
 *
 * aio_tcp_connect takes names as well as addresses; a program calls what stands here only for
 * other uses, and to change options. A name is looked for in the hosts file, then in the core's
 * cache, then name servers are asked, by c-ares, over sockets that the core's own loop watches:
 * no thread is involved, and cancellation and deadlines work as everywhere. "localhost" and names
 * below it are the loopback's, whoever says otherwise.
 *
 * A name has letters, digits, '-' and '_' in labels of up to 63 bytes, 253 in all; a dot at its end
 * keeps it from being completed with the domains of resolv.conf(5). Names in other alphabets must
 * be given in their xn-- form. Without c-ares (the build tells) name servers cannot be asked, and
 * what only they know is -ENOSYS.
 *
 * What c-ares allocates itself comes from malloc(3) and does not count against a memory limit: its
 * allocator is one for the whole process, which may have other users of it.
 */
#ifndef AIO_RESOLVE_H
#define AIO_RESOLVE_H

#include <aio/base.h>
#include <aio/net.h>

AIO_BEGIN_DECLS

/* Addresses that a lookup gives, at most. */
#define AIO_RESOLVE_ADDRESSES 32

/* No cache, for cache_entries. */
#define AIO_RESOLVE_UNCACHED UINT32_MAX

/* Options of a core's lookups. Start from AIO_RESOLVE_OPTIONS; a field that is zero has its
 * default. */
struct aio_resolve_options {
    size_t size;
    /* Name servers, "127.0.0.1:53,[::1]:5353"; then names are not completed. Default: those of
     * resolv.conf(5), which is read again when it has changed. */
    const char *servers;
    /* The hosts file, see hosts(5); read again when it has changed. Default "/etc/hosts". */
    const char *hosts;
    /* For the first try; each further round of tries takes twice as long as the one before. Default
     * 2 seconds. */
    int64_t timeout_ns;
    /* Of each server. Default 3. */
    uint32_t tries;
    /* In progress at once; the next ones wait for their turn. Default 64. */
    uint32_t lookups;
    /* Answers kept, AIO_RESOLVE_UNCACHED for none; the one unused for longest goes first. Default
     * 512. */
    uint32_t cache_entries;
    /* An answer is kept as long as it says itself, and no longer than this. Default 1 hour. */
    int64_t cache_ttl_ns;
    /* That there is no such name or no such address is kept for this time. Default 5 seconds. */
    int64_t negative_ttl_ns;
};

#define AIO_RESOLVE_OPTIONS                                                                        \
    ((struct aio_resolve_options){.size = sizeof(struct aio_resolve_options)})

/*
 * aio_resolve_setup sets the options of lookups on this core and forgets what it has cached. NULL
 * means AIO_RESOLVE_OPTIONS, which are in force without a call too.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  options and texts only during the call.
 * Returns:   0; -EINVAL for a bad option; -EBUSY while lookups are in progress; -EMFILE, -ENFILE,
 *            -ENOMEM; -ENOSYS for servers when there is no c-ares. After an error the options are
 *            as before.
 */
AIO_API AIO_NODISCARD int aio_resolve_setup(const struct aio_resolve_options *options);

/* Which addresses are wanted. */
enum aio_resolve_family {
    AIO_RESOLVE_ANY,
    AIO_RESOLVE_V4,
    AIO_RESOLVE_V6,
};

/*
 * aio_resolve_name gives the addresses of "host:port", IPv6 and IPv4 in turn, as one would try
 * them. A numeric host is its own address.
 *
 * Suspends:  until name servers have answered, where they are asked.
 * Context:   a task.
 * Lifetime:  the text only during the call; out, of AIO_RESOLVE_ADDRESSES at most, until it
 *            returns.
 * Returns:   how many addresses were written, 1 to capacity. Or: -EINVAL for what is neither a name
 *            nor an address, and capacity 0; -ENOENT: there is no such name; -ENODATA: it has no
 *            such address; -ETIMEDOUT: no server answered in time, or a deadline has passed (see
 *            aio_deadline_expired); -EHOSTDOWN: no server can be reached; -EREMOTEIO: a server
 *            failed or refused; -EBADMSG: its answer makes no sense; -ENOSYS: see above;
 *            -ECANCELED; -EMFILE, -ENFILE, -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_resolve_name(struct aio_address *out, size_t capacity,
                                           const char *name, enum aio_resolve_family family);

AIO_END_DECLS

#endif
