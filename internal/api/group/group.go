// Package group has the handlers of the APIs for consumer groups and for finding
// coordinators, a file each.
package group
