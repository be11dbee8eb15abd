/*
 * Extended attributes. On the pool's threads.
 */
#ifndef AIO_FS_XATTR_H
#define AIO_FS_XATTR_H

/* Takes away an open file's access lists, which a new one may have from its directory. */
int aio__xattr_drop_lists(int fd);

/*
 * Gives an open file the extended attributes that another one has, in place of its own
 * access lists. What the caller may not set, or the file system does not know, is left out. Both
 * return 0 or -errno.
 */
int aio__xattr_copy(int from, int to);

#endif
